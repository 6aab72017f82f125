//! What it costs a user to compile: a small crate from nothing, and one line of it edited until it answers again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::measure::{Row, in_turn, run, time};

/// A crate whose only dependency is ours.
const OURS: &str = r#"use image_runtime::{Image, app, image};
const NOTHING: Image = image!(scratch());
#[app::function(image = NOTHING)]
fn answer() -> u32 { 0 }
#[app::main]
fn main() { println!("{}", answer::remote().blocking().unwrap()); }
"#;

/// A crate that lists containers with bollard, which is what our engine is made of.
const BOLLARD: &str = r#"fn main() {
    let docker = bollard::Docker::connect_with_local_defaults().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{} {}", 0, runtime.block_on(docker.ping()).unwrap());
}
"#;

/// A crate that has testcontainers, what people accept for this kind of tool.
const TESTCONTAINERS: &str = r#"fn main() {
    println!("{}", testcontainers::GenericImage::new("a", "b").name());
}
"#;

struct Crate(PathBuf);

impl Crate {
    fn new(folder: &Path, name: &str, dependencies: &str, main: &str) -> Result<Self> {
        let root = folder.join(name);
        std::fs::create_dir_all(root.join("src"))?;
        std::fs::write(
            root.join("Cargo.toml"),
            format!(
                "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
            ),
        )?;
        std::fs::write(root.join("src/main.rs"), main)?;
        let krate = Self(root);
        run(&mut krate.cargo("fetch"))?;
        Ok(krate)
    }

    fn cargo(&self, verb: &str) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args([verb, "--quiet"])
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"));
        // What cargo sets for this program is not meant for that crate.
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "CARGO_MANIFEST_DIR")
        {
            cargo.env_remove(name);
        }
        cargo
    }

    fn clean_build(&self) -> Result<()> {
        let target = self.0.join("target");
        if target.exists() {
            std::fs::remove_dir_all(target)?;
        }
        run(&mut self.cargo("build")).map(drop)
    }

    fn edit_and_run(&self, round: usize) -> Result<()> {
        let main = self.0.join("src/main.rs");
        let text = std::fs::read_to_string(&main)?;
        let (before, after) = (format!("{}", round - 1), format!("{round}"));
        let at = text
            .find(&format!(" {before}"))
            .context("the line to edit")?
            + 1;
        std::fs::write(
            &main,
            format!("{}{after}{}", &text[..at], &text[at + before.len()..]),
        )?;
        run(&mut self.cargo("run")).map(drop)
    }
}

pub(crate) fn clean_and_edited() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../image-runtime")
        .canonicalize()?;
    let ours = Crate::new(
        folder.path(),
        "ours",
        &format!("image-runtime = {{ path = {here:?} }}"),
        OURS,
    )?;
    let peer = Crate::new(
        folder.path(),
        "peer",
        "testcontainers = \"0.28\"",
        TESTCONTAINERS,
    )?;
    let bare = Crate::new(
        folder.path(),
        "bare",
        "bollard = { version = \"0.21\", default-features = false, features = [\"http\", \"pipe\"] }\n\
         tokio = { version = \"1\", features = [\"rt-multi-thread\"] }",
        BOLLARD,
    )?;
    let (clean, clean_peer) = in_turn(
        1,
        || time(|| ours.clean_build()),
        || time(|| peer.clean_build()),
    )?;
    bare.clean_build()?;
    run(&mut ours.cargo("run"))?;
    let rounds = std::cell::Cell::new(0);
    let (edited, edited_peer) = in_turn(
        5,
        || {
            rounds.set(rounds.get() + 1);
            time(|| ours.edit_and_run(rounds.get()))
        },
        || time(|| bare.edit_and_run(rounds.get())),
    )?;
    Ok(vec![
        Row {
            what: "clean debug build of a small crate",
            ours: clean,
            peer_name: "with `testcontainers`",
            peer: clean_peer,
            goal: 1.0,
        },
        Row {
            what: "one line edited, until `cargo run` answers",
            ours: edited,
            peer_name: "with `bollard` alone",
            peer: edited_peer,
            goal: 1.5,
        },
    ])
}
