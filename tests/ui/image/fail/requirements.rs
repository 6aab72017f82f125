use image_runtime::{Image, image};

const WRONG: Image = image!(
    debian_slim().pip_install(
        "",
        "numpy=1.0",
        "numpy 1.0",
        "numpy pandas",
        "numpy>=1.*",
        "numpy==one",
        "numpy[cuda",
        "numpy~=1",
        "-r requirements.txt",
        "git+https://example.com/x",
        "numpy; python_verson > '3.8'",
        "numpy; python_version 3.8",
        "_numpy",
        "numpy==1.0 #comment",
        "numpy=>2",
        "numpy=latest",
    )
);

fn main() {}
