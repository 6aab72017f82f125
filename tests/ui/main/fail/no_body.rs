use image_runtime::app;

#[app::main]
fn main();
