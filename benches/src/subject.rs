//! The program that is measured (`bin/measured.rs`), as users run it: built for debugging, and built for release.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::{cargo, run};

/// One build of the program, on one engine.
pub(crate) struct Subject {
    program: PathBuf,
    engine: &'static str,
}

/// The engines that are measured.
pub(crate) const ENGINES: [&str; 2] = ["embedded", "docker"];

impl Subject {
    /// Both builds: for debugging, and for release.
    pub(crate) fn both(engine: &'static str) -> Result<[Self; 2]> {
        Ok([
            Self::build(engine, "debug", "dev")?,
            Self::build(engine, "release", "release")?,
        ])
    }

    /// Both builds, each with its first call made.
    pub(crate) fn both_calling(engine: &'static str) -> Result<[Calls; 2]> {
        let [debug, release] = Self::both(engine)?;
        debug.build_base()?;
        Ok([debug.calls()?, release.calls()?])
    }

    fn build(engine: &'static str, folder: &str, profile: &str) -> Result<Self> {
        let here = std::env::current_exe()?;
        let target = here.ancestors().nth(2).context("a target folder")?;
        let mut command = cargo();
        command
            .args([
                "build",
                "--quiet",
                "--bin",
                "measured",
                "--profile",
                profile,
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // What `cargo run` says of this package: build scripts that look at such variables would run anew, and all that depends on
        // them would be compiled anew, here and in the next `cargo run`.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
                command.env_remove(name);
            }
        }
        run(&mut command)?;
        Ok(Self {
            program: target.join(folder).join("measured"),
            engine,
        })
    }

    /// The program with arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("IMAGE_ENGINE", self.engine);
        command
    }

    /// Builds the Debian base if it is not there.
    pub(crate) fn build_base(&self) -> Result<()> {
        run(&mut self.command(&["build", "BASE", "--quiet"])).map(drop)
    }

    /// The Docker image that the Debian base is, for Docker's own measurements.
    pub(crate) fn base_image() -> Result<String> {
        Self::docker_image("BASE")
    }

    /// The Docker image that one of the program's images is.
    pub(crate) fn docker_image(image: &str) -> Result<String> {
        let layer = Self::build("docker", "debug", "dev")?.top_layer(image)?;
        Ok(format!("image-runtime/layer:{layer}"))
    }

    /// The topmost layer of one of the program's images, which is built if need be.
    pub(crate) fn top_layer(&self, image: &str) -> Result<String> {
        let report = run(&mut self.command(&["build", image, "--quiet", "--json"]))?;
        let report: serde_json::Value = serde_json::from_str(&report)?;
        let layer = report[0]["layer"].as_str().context("no layer is told")?;
        Ok(layer.to_owned())
    }

    /// Starts the body, which makes its first call.
    pub(crate) fn calls(&self) -> Result<Calls> {
        let mut child = self
            .command(&[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take().context("stdin is piped")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut calls = Calls {
            child,
            stdin,
            times: BufReader::new(stdout).lines(),
            first: Duration::ZERO,
        };
        calls.first = calls.next()?;
        Ok(calls)
    }
}

/// A process that makes calls.
pub(crate) struct Calls {
    child: Child,
    stdin: ChildStdin,
    times: Lines<BufReader<ChildStdout>>,
    /// How long its first call took.
    pub(crate) first: Duration,
}

impl Calls {
    /// The median of a thousand more calls, made by `await` or `blocking`.
    pub(crate) fn more(&mut self, way: &str) -> Result<Duration> {
        writeln!(self.stdin, "{way}")?;
        self.next()
    }

    /// Ends the process.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.stdin);
        self.child.wait()?;
        Ok(())
    }

    fn next(&mut self) -> Result<Duration> {
        let line = self.times.next().context("the program ended early")??;
        Ok(Duration::from_nanos(line.parse()?))
    }
}
