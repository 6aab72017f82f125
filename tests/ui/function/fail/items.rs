use image_runtime::app;

#[app::function]
struct Type;

#[app::function]
mod module {}

#[app::function]
pub fn broken(value) {}

fn main() {}
