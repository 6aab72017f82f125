//! A program that is killed: its images have layers of every kind, and need nothing from the network. What they copy is
//! written by the test.

use image_runtime::{Image, app, image};

/// A shell and a few programs, without a layer below.
const SYSTEM: Image = image!(scratch().copy_local_dir("chaos/data/system", "/"));
const COPIED: Image = image!(
    SYSTEM
        .copy_local_dir("chaos/data/changing", "/changing")
        .copy_local_dir("chaos/data/changing", "/changing/again")
);
const MADE: Image = image!(
    COPIED
        .run_commands(
            "mkdir /made; cat /changing/text > /made/text; head -c 3000000 /dev/zero > /made/zeroes"
        )
        .run_commands("cat /made/text /changing/again/text > /made/twice; rm /made/zeroes")
);

#[app::function(image = COPIED)]
fn copied() -> String {
    read("/changing/text")
}

/// What all layers together say.
#[app::function(image = MADE)]
fn made() -> String {
    let zeroes = std::path::Path::new("/made/zeroes").exists();
    format!(
        "{} {} {zeroes}",
        read("/changing/text"),
        read("/made/twice")
    )
}

#[app::function(image = SYSTEM)]
fn sleep(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}"))
}

#[app::main]
fn main() {}
