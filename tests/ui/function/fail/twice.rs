use image_runtime::app;

#[app::function]
fn twice(count: u32) -> u32 {
    count
}

#[app::function(timeout = "5m")]
fn twice(count: u32) -> u32 {
    count * 2
}

fn main() {
    let _ = twice::remote(1);
}
