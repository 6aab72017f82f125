use image_runtime::{Image, image};

const NEAR: Image = image!(debian_slm());
const FAR: Image = image!(ubuntu());
const A_STEP: Image = image!(apt_install("git"));
const NO_PARENTHESES: Image = image!(debian_slim.apt_install("git"));
const CALLED: Image = image!(crate::NEAR().apt_install("git"));
const EMPTY: Image = image!();
const TEXT: Image = image!("alpine:3.20");
const NUMBER: Image = image!(3.workdir("/"));
const WITHOUT_A_NAME: Image = image!(debian_slim("3.11"));

struct Owner;

impl Owner {
    const BASE: Image = image!(scratch());
    const MORE: Image = image!(Self::BASE.workdir("/"));
}

fn main() {}
