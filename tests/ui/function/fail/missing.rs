use image_runtime::app;

#[app::function(image = MISSING)]
fn no_image() {}

#[app::function]
fn no_type(_value: Missing) {}

#[app::function]
fn no_result_type() -> Missing {}

fn main() {}
