use image_runtime::{Image, app, image};

#[app::function]
fn download() {}

const CALLED: Image = image!(debian_slim().run_function(self::download()));
const TEXT: Image = image!(debian_slim().run_function("download"));
const NOTHING: Image = image!(debian_slim().run_function());
const ARGUMENTS: Image = image!(debian_slim().run_function(download, args = ["x"]));
const PYTHON: Image = image!(from_registry("alpine:3.20", add_python = "3.9"));
const NUMBER: Image = image!(from_registry("alpine:3.20", add_python = 3.10));

fn main() {}
