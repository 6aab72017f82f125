use image_runtime::{Image, image};

const UNKNOWN_BUILDER: Image = image!(debian_slim(builder_version = "2024.11"));
const LOWER_CASE: Image = image!(debian_slim(builder_version = "preview"));
const UNKNOWN_SERIES: Image = image!(debian_slim(python_version = "3.9"));
const UNKNOWN_SERIES_OF_AN_EXACT_VERSION: Image = image!(debian_slim(python_version = "3.9.2"));
const NOT_IN_THIS_BUILDER: Image = image!(debian_slim(python_version = "3.13", builder_version = "2024.04"));
const NOT_A_VERSION: Image = image!(debian_slim(python_version = "latest"));
const TOO_SHORT: Image = image!(debian_slim(python_version = "3"));

fn main() {}
