use image_runtime::{Image, image};

fn plain() {}

const PLAIN: Image = image!(debian_slim().run_function(plain));
const MISSING: Image = image!(debian_slim().run_function(missing));

fn main() {}
