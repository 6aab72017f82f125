use image_runtime::app;

#[app::main]
fn main() -> u8 {
    3
}
