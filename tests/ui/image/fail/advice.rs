#![deny(deprecated)]

use image_runtime::{Image, image};

const LOOSE: Image = image!(debian_slim().pip_install("a", "b==1.0", "c[x]>=2 ; os_name == 'posix'"));
const COPIED: Image = image!(
    debian_slim()
        .copy_local_dir(".", "/src")
        .copy_local_file("Cargo.toml", "/Cargo.toml")
        .run_commands("true")
        .apt_install("git")
);
const AFTER: Image = image!(debian_slim().apt_install("git").copy_local_dir(".", "/src"),);
const LITERAL: Image = image!(debian_slim().env({ "PATH": "/opt/bin:$PATH", "B": "${B}:1", "C": "$CD $PATH", "D": "1" }));
const ABSOLUTE: Image = image!(
    debian_slim()
        .copy_local_file("/etc/passwd", "/x")
        .dockerfile_commands("RUN true", context_dir = "/etc")
        .add_local_dir("../../../../../../../../../../../../../etc", "/y", copy = false)
);

#[allow(deprecated)]
const ABSOLUTE_AND_SILENCED: Image = image!(debian_slim().copy_local_dir("/etc", "/x"));
#[allow(deprecated)]
const LITERAL_AND_SILENCED: Image = image!(debian_slim().env({ "PATH": "/opt/bin:$PATH" }));
#[allow(deprecated)]
const SILENCED: Image = image!(debian_slim().copy_local_dir(".", "/src").pip_install("a"));

fn main() {}
