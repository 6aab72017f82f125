//! What follows from a mistake is not told beside it.
use image_runtime::{Image, image};

const BUILDER: Image = image!(debian_slim(builder_version = "2025.6", python_version = "3.9"));
const NO_CONTEXT: Image = image!(debian_slim().dockerfile_commands("COPY nowhere /", contxt_dir = "nowhere"));
const NO_SECRET: Image = image!(
    debian_slim().dockerfile_commands("RUN --mount=type=secret,id=A true", secrets = ["A"])
);
const NO_ITEM: Image = image!(micromamba().micromamba_install("numpy", channels = [=]));
const SHIFTED: Image = image!(debian_slim().copy_local_file(=, "/etc/own"));

fn main() {}
