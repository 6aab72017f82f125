//! A program whose images have conda, and one whose image makes a channel for them.

use std::process::Command;

use image_runtime::{Image, app, image};

/// Makes the channel.
const CHANNEL: Image = image!(
    debian_slim(python_version = "3.11")
        .apt_install("zstd")
        .copy_local_file("cli/data/conda/channel.py", "/channel.py")
        .run_commands("python3 /channel.py /channel")
);
/// Its Python is Debian's, which needs a library of Debian.
const BASE: Image = image!(micromamba(python_version = "3.11").apt_install("libexpat1"));
const GREETING: Image = image!(BASE.micromamba_install(
    spec_file = "functions/data/conda/environment.yml",
    channels = ["conda-forge"],
    force_build = true
));
const MORE: Image = image!(
    GREETING
        .micromamba_install("old")
        .pip_install("six==1.17.0")
);
const CONFLICT: Image = image!(GREETING.micromamba_install("new"));
const MISSING: Image = image!(BASE.micromamba_install("no-such-package >=3"));
const DIRECTORY: Image = image!(BASE.micromamba_install(
    "new",
    channels = ["./cli/data/conda/generated", "conda-forge"],
    force_build = true
));
const SERVED: Image = image!(BASE.micromamba_install("words=2", "greet", force_build = true));

/// Its Debian is the one that this builder version had.
#[allow(deprecated, reason = "what it pins is what is tested")]
const EARLIER: Image = image!(micromamba(
    python_version = "3.11",
    builder_version = "2023.12"
));

fn run(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output();
    output.map_or_else(
        |error| error.to_string(),
        |output| {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
                .trim()
                .to_owned()
        },
    )
}

#[app::function(image = CHANNEL)]
fn names() -> Vec<String> {
    let listed = run(&["find", "/channel", "-type", "f", "-printf", "%P\n"]);
    listed.lines().map(str::to_owned).collect()
}

#[app::function(image = CHANNEL)]
fn file(name: String) -> std::io::Result<Vec<u8>> {
    std::fs::read(format!("/channel/{name}"))
}

#[app::function(image = GREETING)]
fn greeting() -> Vec<String> {
    vec![
        run(&["python", "-c", "import sys; print(sys.prefix)"]),
        run(&["greet"]),
        run(&["words"]),
        run(&[
            "sh",
            "-c",
            "ls /opt/conda/conda-meta; ls -A /dev/image-runtime | grep conda",
        ]),
        run(&["grep", "-rl", "/dev/image-runtime", "/opt/conda"]),
    ]
}

#[app::function(image = MORE)]
fn more() -> Vec<String> {
    vec![
        run(&["words"]),
        run(&["cat", "/opt/conda/share/old"]),
        run(&["python", "-c", "import six; print(six.__file__)"]),
        run(&["greet"]),
    ]
}

#[app::function(image = EARLIER)]
fn earlier() -> [String; 2] {
    [
        &["cat", "/etc/debian_version"],
        &["ls", "/opt/conda/conda-meta"],
    ]
    .map(|words| run(words))
}

#[app::function(image = CONFLICT)]
fn conflict() {}

#[app::function(image = MISSING)]
fn missing() {}

#[app::function(image = DIRECTORY)]
fn directory() -> String {
    run(&[
        "grep",
        "-h",
        "\"channel\"",
        "/opt/conda/conda-meta/new-1.0-0.json",
    ])
}

#[app::function(image = SERVED)]
fn served() -> String {
    run(&["words"])
}

/// Puts the channel where a variable says.
#[app::main]
async fn main() -> anyhow::Result<()> {
    let to = std::path::PathBuf::from(std::env::var("IMAGE_TESTS_CHANNEL")?);
    for name in names::remote().await? {
        let path = to.join(&name);
        std::fs::create_dir_all(path.parent().unwrap_or(&to))?;
        std::fs::write(path, file::remote(name).await?)?;
    }
    Ok(())
}
