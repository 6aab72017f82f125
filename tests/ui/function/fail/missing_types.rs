//! What is not there is one error, at its name.

use image_runtime::{Image, app, image};

const ML: Image = image!(debian_slim());

#[app::function(image = ML)]
fn argument(value: Missing1) {}

#[app::function(image = ML)]
fn result() -> Missing2 {
    loop {}
}

#[app::function(image = ML)]
fn error() -> Result<(), Missing3> {
    loop {}
}

#[app::function(image = ML)]
fn items() -> impl Iterator<Item = Missing4> {
    std::iter::empty()
}

struct Model;

#[app::cls(image = ML)]
impl Model {
    #[enter]
    fn new(size: Missing5) -> Self {
        Self
    }

    #[method]
    fn get(&self, value: Missing6) {}
}

fn main() {}
