use image_runtime::{Image, image};

const A_TEXT: Image = image!(from_registry("box.example/a:1", secret = "registry-credentials"));
const A_LIST: Image = image!(from_registry("box.example/a:1", secret = [Secret::from_name("a")]));
const UNKNOWN: Image = image!(from_registry("box.example/a:1", secret = Secret::from_nane("a")));
const SEVERAL: Image = image!(from_registry("box.example/a:1", secrets = [Secret::from_name("a")]));
const NOT_HERE: Image = image!(debian_slim(secret = Secret::from_name("a")));

fn main() {}
