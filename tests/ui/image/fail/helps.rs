//! One mistake, one error, and no advice that does not compile.

use image_runtime::{Image, image};

const PYTHON: Image = image!(debian_slim(python_version = 3));
const BUILDER: Image = image!(debian_slim(builder_version = 2024));
const LOWER: Image = image!(from_registry("ghcr.io/Foo/Bar:1"));
const PACKAGES: Image = image!(debian_slim().apt_install("-y git", "git==2"));
const COMMAS: Image = image!(debian_slim().apt_install("git, curl").pip_install("numpy==1.26.0, pandas==2.0", "numpy,pandas"));
const FUNCTION: Image = image!(debian_slim().run_function("download"));
const VARIABLES: Image = image!(debian_slim().env("A=1").env({ "A": 1 }));
const ITEMS: Image = image!(debian_slim().entrypoint(["a", 1]));
const TWO: Image = image!(debian_slim().env("A", "1"));
const NAMED: Image = image!(debian_slim().env(A = "1"));
const SOURCE: Image = image!(debian_slim().copy_local_dir(source = ".", target = "/x"));
const COPY: Image = image!(debian_slim().copy_local_dir(".", "/x", copy = false));
const FILE: Image = image!(debian_slim().add_local_file(".", "/x"));
const DIRECTORY: Image = image!(debian_slim().add_local_dir("Cargo.toml", "/x"));
const CONTEXT: Image = image!(debian_slim().dockerfile_commands("RUN x", context_dir = "Cargo.toml"));
const RUN: Image = image!(debian_slim().run("make"));
const LINE: Image = image!(debian_slim().cmd("sleep 1").shell("/bin/bash"));
const STRICT: Image = image!(debian_slim().pip_install("six==1.16.0", strict = true));
const BOOL: Image = image!(debian_slim().env({ "A": true }));
const FLAG: Image = image!(debian_slim().pip_install("six==1.16.0", pre = "yes"));

fn main() {}
