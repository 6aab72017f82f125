use image_runtime::{Image, image};

const PYTHON: &str = "3.11";

const FLOAT: Image = image!(debian_slim(python_version = 3.10));
const LONG_FLOAT: Image = image!(debian_slim(python_version = 3.11));
const INTEGER: Image = image!(debian_slim(python_version = 3));
const BOOL: Image = image!(debian_slim(python_version = true));
const CONSTANT: Image = image!(debian_slim(python_version = PYTHON));
const FLAG: Image = image!(scratch().workdir("/", force_build = "true"));
const NOT_A_LIST: Image = image!(scratch().copy_local_dir(".", "/x", ignore = "*.pyc"));
const LIST_OF_NUMBERS: Image = image!(scratch().copy_local_dir(".", "/x", ignore = [1, 2]));
const A_LIST: Image = image!(debian_slim().apt_install(["git", "curl"]));
const A_NAME: Image = image!(debian_slim().apt_install(git));
const NOT_A_MAP: Image = image!(scratch().env("A"));
const BARE_KEY: Image = image!(scratch().env({ A: "1" }));
const EQUALS_IN_A_MAP: Image = image!(scratch().env({ "A" = "1" }));
const A_NUMBER_IN_A_MAP: Image = image!(scratch().env({ "A": 1 }));
const A_CHARACTER: Image = image!(scratch().workdir('/'));

fn main() {}
