//! The parent of a container's process, for as long as that lives: the sandbox ties it to the program that made it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use image_runtime::engine::embedded::cgroup::Cgroups;
use image_runtime::engine::embedded::sandbox::{ORDINARY, SandboxError};
use rustix::fs::OFlags;
use rustix::io::fcntl_dupfd_cloexec;

use crate::config::Config;
use crate::container::FIFO;
use crate::{Options, limits, log, translate};

/// Makes a container and waits for its end. Until it is made, errors go to `report`; afterwards to the log.
pub(crate) fn keep(options: &Options, id: &str, bundle: &Path, report: i32) -> Result<()> {
    rustix::process::setsid().context("leaving the session")?;
    // It is open already, by a number.
    let path = format!("/proc/self/fd/{report}");
    let mut report = OpenOptions::new().write(true).open(path)?;
    let kept = run(options, id, bundle, &report);
    let Err(error) = kept else { return Ok(()) };
    let text = format!("{error:#}\n");
    log(options, &format!("error: {text}"));
    let _ = report.write_all(text.as_bytes());
    Ok(())
}

fn run(options: &Options, id: &str, bundle: &Path, report: &File) -> Result<()> {
    let config = Config::read(bundle)?;
    let groups = limits::of_groups(
        config
            .linux
            .resources
            .as_ref()
            .unwrap_or(&Default::default()),
    )?;
    let groups = Cgroups::of_machine().create(&format!("oci-{id}"), &groups)?;
    // A path, not an end of it: each that writes through it waits for a reader.
    let fifo = rustix::fs::open(
        options.root.join(id).join(FIFO),
        OFlags::PATH | OFlags::CLOEXEC,
        0.into(),
    )
    .context("opening the fifo")?;
    let waiting = translate::Waiting {
        report: report.try_clone()?.into(),
        fifo,
    };
    let mut told = Vec::new();
    let stdio = take_stdio()?;
    let (steps, start) = translate::steps(
        &config,
        bundle,
        groups.entrances()?,
        stdio,
        waiting,
        &mut told,
    )?;
    for line in told {
        log(options, &format!("not followed: {line}\n"));
    }
    limits::inherit(&config.process)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let process = steps.start(start).await.map_err(|error| match error {
            SandboxError::Step { doing, error } if doing == ORDINARY => {
                anyhow!("must be mounted on ordinary directory: {doing}: {error}")
            }
            other => other.into(),
        })?;
        process.wait().await.context("waiting for its end")
    })?;
    Ok(())
}

/// Takes the standard input, output and error for the container. This process has none then, so that who reads them sees their end.
fn take_stdio() -> Result<[OwnedFd; 3]> {
    let stdin = fcntl_dupfd_cloexec(std::io::stdin(), 3)?;
    let stdout = fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
    let stderr = fcntl_dupfd_cloexec(std::io::stderr(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, 0.into())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok([stdin, stdout, stderr])
}
