//! What it costs a user to compile: a small crate from nothing, and one line of it edited until it answers again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::measure::{Row, cargo, in_turn, run, time};

/// A crate whose only dependency is ours.
const OURS: &str = r#"use image_runtime::{Image, app, image};
const NOTHING: Image = image!(scratch());
const ANSWER: u32 = 0;
#[app::function(image = NOTHING)]
fn answer() -> u32 { ANSWER }
#[app::main]
fn main() { println!("{}", answer::remote().blocking().unwrap()); }
"#;

/// A crate that asks the daemon something with bollard, which is what our engine is made of.
const BOLLARD: &str = r#"const ANSWER: u32 = 0;
fn main() {
    let docker = bollard::Docker::connect_with_local_defaults().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(docker.ping()).unwrap();
    println!("{ANSWER}");
}
"#;

/// A crate that has testcontainers, what people accept for this kind of tool.
const TESTCONTAINERS: &str = r#"fn main() {
    use testcontainers::Image as _;
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
        let mut command = cargo();
        command
            .args([verb, "--quiet"])
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"));
        // What cargo sets for this program is not meant for that crate.
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "CARGO_MANIFEST_DIR")
        {
            command.env_remove(name);
        }
        command
    }

    fn clean_build(&self) -> Result<()> {
        let target = self.0.join("target");
        if target.exists() {
            std::fs::remove_dir_all(target)?;
        }
        run(&mut self.cargo("build")).map(drop)
    }

    /// Writes the next number into the program, and runs that.
    fn edit_and_run(&self, round: &mut u32) -> Result<Duration> {
        let main = self.0.join("src/main.rs");
        let text = std::fs::read_to_string(&main)?;
        let line = |round: u32| format!("const ANSWER: u32 = {round};");
        let edited = text.replace(&line(*round), &line(*round + 1));
        ensure!(edited != text, "the line to edit is not there");
        *round += 1;
        let begin = Instant::now();
        std::fs::write(&main, edited)?;
        let answer = run(&mut self.cargo("run"))?;
        let elapsed = begin.elapsed();
        ensure!(answer == round.to_string(), "{answer} is not the answer");
        Ok(elapsed)
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
    let [clean, clean_peer] = in_turn(
        1,
        [&mut || time(|| ours.clean_build()), &mut || {
            time(|| peer.clean_build())
        }],
    )?;
    for krate in [&ours, &bare] {
        run(&mut krate.cargo("run"))?;
    }
    let (mut our_round, mut bare_round) = (0, 0);
    let [edited, edited_peer] = in_turn(
        9,
        [&mut || ours.edit_and_run(&mut our_round), &mut || {
            bare.edit_and_run(&mut bare_round)
        }],
    )?;
    Ok(vec![
        Row {
            what: "clean debug build of a small crate",
            engine: "",
            peer: "with `testcontainers`",
            against: clean_peer,
            debug: clean,
            release: None,
            goal: 1.0,
        },
        Row {
            what: "one line edited, until `cargo run` answers",
            engine: "",
            peer: "with `bollard` alone",
            against: edited_peer,
            debug: edited,
            release: None,
            goal: 1.5,
        },
    ])
}
