use image_runtime::{Image, image};

const EMPTY_COMMAND: Image = image!(debian_slim().run_commands("make", " "));
const NUL: Image = image!(debian_slim().run_commands("make \0"));
const EMPTY_PATTERN: Image = image!(scratch().copy_local_dir(".", "/x", ignore = ["*.pyc", "", "!"]));
const NO_PATTERN: Image = image!(scratch().copy_local_dir(".", "/x", ignore = ["[", "[z-a]", "a\\"]));

fn main() {}
