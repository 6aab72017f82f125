use image_runtime::app;

#[app::function]
#[app::function(timeout = "5m")]
fn again(count: u32) -> u32 {
    count
}

fn main() {
    let _ = again::remote(1);
}
