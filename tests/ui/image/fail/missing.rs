use image_runtime::{Image, image};

const WRONG_TYPE: &str = "alpine";

const MORE: Image = image!(MISSING.apt_install("git"));
const ELSEWHERE: Image = image!(crate::images::ML);
const NOT_AN_IMAGE: Image = image!(WRONG_TYPE.apt_install("git"));
const NO_SECRET: Image = image!(debian_slim().run_commands("make", secrets = [elsewhere::Secret::from_env("TOKEN")]));

fn main() {}
