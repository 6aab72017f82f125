use image_runtime::{Image, image};

const AFTER: Image = image!(
    debian_slim()
        .add_local_dir(".", "/src", copy = false)
        .add_local_file("Cargo.toml", "/Cargo.toml", copy = false)
        .run_commands("make")
        .workdir("/src")
);
const ADDED: Image = image!(scratch().add_local_file("Cargo.toml", "/Cargo.toml", copy = false));
const SAME: Image = image!(ADDED);
const MORE: Image = image!(SAME.workdir("/"));
const NO_FLAG: Image = image!(scratch().add_local_file("Cargo.toml", "/Cargo.toml", copy = "no"));
const MISSING: Image = image!(scratch().add_local_dir("no/such/directory", "/x", copy = false));

fn main() {}
