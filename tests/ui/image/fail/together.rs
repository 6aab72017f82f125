use image_runtime::{Image, image};

// Every fault of one call is reported, each at its token; those of a wrong step too.
const ML: Image = image!(
    debian_slim(python_version = 3.10, builder = "2024.10")
        .apt_install("Git", "curl", force_build = "yes")
        .pip_instal("numpy=1.0")
        .pip_install("numpy=1.0", ,)
        .env({ "1A": "1", B: "2" })
        .dockerfile_commands("RNU make", "ENV A=1 B C", "USER", force_build = 1, secret = "A")
        .workdir
);

fn main() {}
