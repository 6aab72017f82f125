use image_runtime::{Image, image};

const NEAR: Image = image!(debian_slim().apt_instal("git"));
const FAR: Image = image!(debian_slim().frobnicate("git"));
const A_BASE: Image = image!(debian_slim().scratch());
const NO_PARENTHESES: Image = image!(debian_slim().apt_install.workdir("/"));
const HALF_TYPED: Image = image!(debian_slim().workdir("/").apt);
const NO_NAME: Image = image!(debian_slim().workdir("/").);
const NO_DOT: Image = image!(debian_slim() apt_install("git"));
const A_COMMA: Image = image!(debian_slim(), workdir("/"));

fn main() {}
