//! A program whose image has conda packages that a lock names.

use image_runtime::{Image, app, image};

const LOCKED: Image =
    image!(micromamba(python_version = "3.11").micromamba_install("words", force_build = true));

#[app::function(image = LOCKED)]
fn words() -> std::io::Result<String> {
    let output = std::process::Command::new("words").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[app::main]
fn main() {}
