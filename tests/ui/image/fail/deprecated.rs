#![deny(deprecated)]

use image_runtime::{Image, image};

const OLD: Image = image!(debian_slim(builder_version = "2023.12"));

#[allow(deprecated)]
const SILENCED: Image = image!(debian_slim(builder_version = "2023.12"));

fn main() {}
