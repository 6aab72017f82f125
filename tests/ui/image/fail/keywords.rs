use image_runtime::{Image, image};

const NEAR: Image = image!(debian_slim(python = "3.11"));
const FAR: Image = image!(debian_slim().apt_install("git", recommends = false));
const OF_AN_ALIAS: Image = image!(debian_slim().uv_pip_install("numpy", force_bild = true));
const NONE_KNOWN: Image = image!(scratch(size = 1));
const TWICE: Image = image!(debian_slim(python_version = "3.11", python_version = "3.12"));
const NO_VALUE: Image = image!(debian_slim(python_version = ));
const NO_VALUE_AND_MORE: Image = image!(debian_slim(python_version = , builder_version = "2024.10"));
const NO_COMMA: Image = image!(debian_slim().apt_install("git" "curl"));
const HALF_TYPED: Image = image!(debian_slim().apt_install("git", force));

fn main() {}
