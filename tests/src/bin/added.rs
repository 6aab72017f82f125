//! A program whose images take in what an address holds.

use image_runtime::{Image, app, image};

const ADDED: Image =
    image!(scratch().dockerfile_commands("ADD http://127.0.0.1:47832/file /added"));

/// It takes it from a stage.
const COPIED: Image = image!(from_dockerfile("cli/data/added.Dockerfile"));

#[app::function(image = ADDED)]
fn added() -> std::io::Result<String> {
    std::fs::read_to_string("/added")
}

#[app::function(image = COPIED)]
fn in_copied() {}

#[app::main]
fn main() {}
