//! A second build: nothing changed, nothing is done.

use std::process::Command;

use anyhow::{Context, Result};
use image_runtime::{Image, app, image};

use crate::measure::{Row, in_turn, run, this_program, time};

const TOOLS: Image = image!(
    debian_slim()
        .apt_install("jq")
        .run_commands("echo ready > /ready")
);

#[app::function(image = TOOLS)]
fn in_tools() {}

/// Builds the image if it is not there, and calls nothing in it.
pub(crate) fn be_builder() -> Result<()> {
    Ok(in_tools::remote().blocking()?)
}

/// The Debian base that our image stands on, by its tag.
pub(crate) fn debian_layer() -> Result<String> {
    run(&mut this_program("as-builder")?)?;
    let images = run(Command::new("docker").args([
        "images",
        "--filter",
        "label=image-runtime.title=Debian bookworm from the archive",
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ]))?;
    let image = images
        .lines()
        .next()
        .context("no base of ours is in the daemon")?;
    Ok(image.to_owned())
}

pub(crate) fn second_build() -> Result<Vec<Row>> {
    let base = debian_layer()?;
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("Dockerfile"),
        format!(
            "FROM {base}\nRUN apt-get update && apt-get install -y --no-install-recommends jq\nRUN echo ready > /ready\n"
        ),
    )?;
    let docker_build = || {
        let mut command = Command::new("docker");
        command
            .args(["build", "-q", "-t", "image-runtime-bench"])
            .arg(folder.path());
        command
    };
    run(&mut docker_build())?;
    let (ours, peer) = in_turn(
        20,
        || time(|| run(&mut this_program("as-second-builder")?).map(drop)),
        || time(|| run(&mut docker_build()).map(drop)),
    )?;
    run(Command::new("docker").args(["rmi", "image-runtime-bench"]))?;
    Ok(vec![Row {
        what: "second build, nothing changed",
        ours,
        peer_name: "cached `docker build`",
        peer,
        goal: 0.05,
    }])
}
