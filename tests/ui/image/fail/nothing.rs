//! What runs programs of an image that has none.

use image_runtime::{Image, image};

const APT: Image = image!(scratch().apt_install("git"));
const PIP: Image = image!(scratch().env({ "A": "1" }).pip_install("six==1.16.0").run_commands("make"));
const RUN: Image = image!(scratch().dockerfile_commands("ENV A=1").run_commands("make"));
const PUT_IN: Image = image!(scratch().copy_local_file("Cargo.toml", "/x").run_commands("make"));
const COPIED: Image = image!(scratch().dockerfile_commands("COPY Cargo.toml /x").run_commands("make"));
const WRONG: Image = image!(scratch().copy_local_fil("Cargo.toml", "/x").run_commands("make"));
const NOTHING: Image = image!(scratch().env({ "A": "1" }));
const SAME: Image = image!(NOTHING);
const EXTENDED: Image = image!(SAME.workdir("/").run_commands("make"));
const EXTENDED_WITH_FILES: Image = image!(NOTHING.copy_local_file("Cargo.toml", "/x").run_commands("make"));
const OF_FILES: Image = image!(COPIED.run_commands("make"));
const COPIED_INTO_SCRATCH: Image = image!(scratch().dockerfile_commands("COPY Cargo.toml /x"));
const OF_INSTRUCTIONS: Image = image!(COPIED_INTO_SCRATCH.run_commands("make"));

fn main() {}
