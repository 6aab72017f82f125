//! A program whose images have Pythons that neither a registry nor their Debian need have.

use image_runtime::{Image, app, image};

const TEN: Image = image!(debian_slim(python_version = "3.10").pip_install("six==1.17.0"));
const ELEVEN: Image = image!(debian_slim(python_version = "3.11.7").pip_install("six==1.17.0"));
const TWELVE: Image = image!(debian_slim(python_version = "3.12").pip_install("six==1.17.0"));
const THIRTEEN: Image = image!(debian_slim(python_version = "3.13").pip_install("six==1.17.0"));
const ADDED: Image = image!(
    from_registry("debian:bookworm-slim", add_python = "3.12")
        .env({ "ADDED": "1" })
        .pip_install("six==1.17.0")
);
const IN_DOCKERFILE: Image = image!(
    from_dockerfile("functions/dockerfiles/path.Dockerfile", add_python = "3.13")
        .pip_install("six==1.17.0")
);

/// The version of Python, the packages that were asked for, and where the program lies.
fn described() -> String {
    const LINE: &str = "import sys, platform; from importlib.metadata import distributions as d
print(platform.python_version(), *sorted(f'{p.name}=={p.version}' for p in d() if p.name in ('pip', 'six')), sys.executable)";
    let output = std::process::Command::new("python")
        .args(["-c", LINE])
        .output()
        .expect("the image has Python");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
        .trim()
        .to_owned()
}

#[app::function(image = TEN)]
fn in_ten() -> String {
    described()
}

#[app::function(image = ELEVEN)]
fn in_eleven() -> String {
    described()
}

#[app::function(image = TWELVE)]
fn in_twelve() -> String {
    described()
}

#[app::function(image = THIRTEEN)]
fn in_thirteen() -> String {
    described()
}

#[app::function(image = ADDED)]
fn in_added() -> String {
    described()
}

#[app::function(image = IN_DOCKERFILE)]
fn in_dockerfile() -> String {
    described()
}

#[app::main]
fn main() {}
