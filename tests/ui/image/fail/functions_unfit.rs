use image_runtime::{Image, app, image};

#[app::function]
fn with_parameters(epochs: u32) {
    let _ = epochs;
}

#[app::function]
fn many() -> impl Iterator<Item = u32> {
    0..3
}

const PARAMETERS: Image = image!(debian_slim().run_function(with_parameters));
const STREAM: Image = image!(debian_slim().run_function(self::many));

fn main() {}
