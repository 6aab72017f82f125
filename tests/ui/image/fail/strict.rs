use image_runtime::{Image, image};

const BASE: Image = image!(
    debian_slim(builder_version = "2023.12")
        .copy_local_file("Cargo.toml", "/wheels/a")
        .copy_local_dir(".", "/src")
        .pip_install("a", "b==1.0", "c[x]>=2 ; os_name == 'posix'", find_links = "/wheels"),
    strict = true
);
const FINE: Image = image!(BASE.pip_install("a==1.0").copy_local_dir(".", "/src"), strict = true);
const LITERAL: Image = image!(scratch().env({ "PATH": "/opt/bin:${PATH}" }), strict = true);
const ABSOLUTE: Image = image!(scratch().copy_local_file("/etc/passwd", "/x"), strict = true);
const UNKNOWN: Image = image!(scratch(), stric = true);
const NO_FLAG: Image = image!(scratch(), strict = 1);
const TWICE: Image = image!(scratch(), strict = true, strict = false,);

fn main() {}
