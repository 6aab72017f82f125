//! What is checked while compiling is written out.
use image_runtime::{Image, image};

const DIRECTORY: &str = "/app";
const COMMAND: &str = "make";

const A_CONST: Image = image!(debian_slim().workdir(DIRECTORY).run_commands(COMMAND, &COMMAND));
const A_MACRO: Image = image!(debian_slim().pip_install(concat!("numpy", "==2.2.6")));
const A_CALL: Image = image!(debian_slim().dockerfile_commands(String::from("RUN make")));
const IN_A_LIST: Image = image!(debian_slim().entrypoint([COMMAND]).env({ "A": COMMAND }));
const NO_QUOTES: Image = image!(debian_slim().apt_install(git, "curl"));
const NEGATIVE: Image = image!(debian_slim().apt_install("git", force_build = -1));

fn main() {}
