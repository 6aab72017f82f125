use image_runtime::{Image, image};

const RELATIVE: Image = image!(scratch().workdir("app"));
const HOME: Image = image!(scratch().workdir("~/app"));
const RELATIVE_TARGET: Image = image!(scratch().copy_local_file("Cargo.toml", "./Cargo.toml"));
const NO_FILE_NAME: Image = image!(scratch().copy_local_file("Cargo.toml", "/root/."));
const MISSING_FILE: Image = image!(scratch().copy_local_file("Cargo.tom", "/Cargo.toml"));
const MISSING_DIRECTORY: Image = image!(scratch().copy_local_dir("no/such/directory", "/x"));
const A_DIRECTORY: Image = image!(scratch().copy_local_file(".", "/x"));
const A_FILE: Image = image!(scratch().copy_local_dir("Cargo.toml", "/x"));
const EMPTY: Image = image!(scratch().copy_local_dir("", "/x"));
const NUL: Image = image!(scratch().workdir("/a\0"));
const SPACE_BEFORE: Image = image!(scratch().workdir(" /x"));
const OF_WINDOWS: Image = image!(scratch().workdir("C:\\app").copy_local_file("src\\main.rs", "/main.rs"));

fn main() {}
