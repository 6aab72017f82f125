//! A program that forgot `#[app::main]`.

use image_runtime::{Image, app, image};

const NOTHING: Image = image!(scratch());

#[app::function(image = NOTHING)]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

fn main() {
    match add::remote(2, 3).blocking() {
        Ok(sum) => println!("{sum}"),
        Err(error) => eprintln!("error: {error}"),
    }
}
