use image_runtime::{Image, image};

const WRONG: Image = image!(scratch().env({ "": "1", "1A": "1", "A-B": "1", "A=1": "", "A=B": "C", "C": "a\0b", "D": "1", "D": "2" }));

fn main() {}
