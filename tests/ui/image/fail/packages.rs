use image_runtime::{Image, image};

const WRONG: Image = image!(
    debian_slim().apt_install("", "g", "Git", "git curl", "git==1.0", "git>=1.0", "git=latest", "git:AMD", "git/sid", "gît")
);

const SIGNS: Image = image!(debian_slim().apt_install("Git!", "git~1", "git~=1.0", "git!=1.0"));

fn main() {}
