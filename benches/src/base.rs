//! The Debian base from the archive, from nothing to a configured layer.

use std::process::Command;

use anyhow::Result;
use image_runtime::{Image, app, image};

use crate::measure::{Row, median, run, this_program, time};

const BASE: Image = image!(debian_slim());

#[app::function(image = BASE)]
fn in_base() {}

/// Builds the base in the store that the environment names.
pub(crate) fn be_builder() -> Result<()> {
    Ok(in_base::remote().blocking()?)
}

pub(crate) fn from_the_archive() -> Result<Vec<Row>> {
    if Command::new("mmdebstrap")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("| Debian base from the archive | | mmdebstrap is not installed | | |");
        return Ok(Vec::new());
    }
    let mut ours = Vec::new();
    let mut peer = Vec::new();
    for _ in 0..3 {
        run(this_program("as-base-builder")?.args(["prune", "--all"]))?;
        let store = tempfile::tempdir()?;
        ours.push(time(|| {
            run(this_program("as-base-builder")?.env("IMAGE_STORE", store.path())).map(drop)
        })?);
        let folder = tempfile::tempdir()?;
        let tar = folder.path().join("base.tar");
        peer.push(time(|| {
            run(Command::new("mmdebstrap")
                .args(["--variant=minbase", "bookworm"])
                .arg(&tar))
            .map(drop)
        })?);
    }
    Ok(vec![Row {
        what: "Debian base from the archive, empty store",
        ours: median(ours),
        peer_name: "`mmdebstrap --variant=minbase`",
        peer: median(peer),
        goal: 0.5,
    }])
}
