use image_runtime::{Image, app, image};

fn plain() {}

#[app::function]
fn with_parameters(_: u32) {}

#[app::function]
fn many() -> impl Iterator<Item = u32> {
    0..3
}

struct Other;

const PLAIN: Image = image!(debian_slim().run_function(plain));
const MISSING: Image = image!(debian_slim().run_function(missing));
const OTHER: Image = image!(debian_slim().run_function(Other));
const PARAMETERS: Image = image!(debian_slim().run_function(with_parameters));
const STREAM: Image = image!(debian_slim().run_function(self::many));
const CALLED: Image = image!(debian_slim().run_function(plain()));
const TEXT: Image = image!(debian_slim().run_function("plain"));
const NOTHING: Image = image!(debian_slim().run_function());
const ARGUMENTS: Image = image!(debian_slim().run_function(many, args = ["x"]));
const PYTHON: Image = image!(from_registry("alpine:3.20", add_python = "3.9"));
const NUMBER: Image = image!(from_registry("alpine:3.20", add_python = 3.10));

fn main() {}
