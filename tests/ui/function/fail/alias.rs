use image_runtime::app;

type Result<T> = Vec<T>;

#[app::function]
fn not_a_result() -> Result<u8> {
    Vec::new()
}

fn main() {}
