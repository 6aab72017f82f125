use image_runtime::{Image, image};

const NO_SCHEME: Image = image!(debian_slim().pip_install("a", index_url = "pypi.example/simple"));
const RELATIVE: Image = image!(debian_slim().pip_install("a", find_links = "wheels"));
const NOT_A_FLAG: Image = image!(debian_slim().pip_install("a", pre = "true"));
const UNKNOWN: Image = image!(debian_slim().pip_install("a", extra_options = "--no-dep"));
const A_KEYWORD: Image = image!(debian_slim().pip_install("a", extra_options = "--index-url https://a/b"));
const NO_OPTION: Image = image!(debian_slim().pip_install("a", extra_options = "b"));
const NO_VALUE: Image = image!(debian_slim().pip_install("a", extra_options = "--no-binary"));
const OPEN: Image = image!(debian_slim().pip_install("a", extra_options = "--target '/x"));
const MISSING: Image = image!(debian_slim().pip_install_from_requirements("requirement.txt"));
const A_DIRECTORY: Image = image!(debian_slim().pip_install_from_requirements("."));
const NO_PROJECT: Image = image!(debian_slim().uv_sync("."));
const A_FILE: Image = image!(debian_slim().uv_sync("Cargo.toml"));
const NO_NAME: Image = image!(debian_slim().pip_install_from_pyproject("Cargo.toml", optional_dependencies = ["-x", "a b"]));
const NO_LIST: Image = image!(debian_slim().pip_install_from_pyproject("Cargo.toml", dependency_groups = "dev"));
const EXTRAS: Image = image!(debian_slim().pip_install_from_pyproject("Cargo.toml", extras = ["dev"]));

fn main() {}
