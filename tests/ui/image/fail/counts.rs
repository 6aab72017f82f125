use image_runtime::{Image, image};

const NO_PACKAGE: Image = image!(debian_slim().apt_install());
const NO_REQUIREMENT: Image = image!(debian_slim().pip_install(force_build = true));
const NO_COMMAND: Image = image!(debian_slim().run_commands());
const NO_REFERENCE: Image = image!(from_registry());
const NO_PATH: Image = image!(scratch().workdir());
const NO_VARIABLES: Image = image!(scratch().env());
const NO_TARGET: Image = image!(scratch().copy_local_file("Cargo.toml"));
const TOO_MANY: Image = image!(scratch().workdir("/", "/"));
const TOO_MANY_REFERENCES: Image = image!(from_registry("alpine", "debian"));

fn main() {}
