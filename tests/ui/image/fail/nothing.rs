//! What runs programs of an image that has none.

use image_runtime::{Image, image};

const APT: Image = image!(scratch().apt_install("git"));
const PIP: Image = image!(scratch().env({ "A": "1" }).pip_install("six==1.16.0").run_commands("make"));
const RUN: Image = image!(scratch().dockerfile_commands("ENV A=1").run_commands("make"));
const PUT_IN: Image = image!(scratch().copy_local_file("Cargo.toml", "/x").run_commands("make"));
const COPIED: Image = image!(scratch().dockerfile_commands("COPY Cargo.toml /x").run_commands("make"));
const WRONG: Image = image!(scratch().copy_local_fil("Cargo.toml", "/x").run_commands("make"));

fn main() {}
