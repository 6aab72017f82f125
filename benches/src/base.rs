//! The Debian base from the archive, from nothing to a layer that can be used.
//!
//! It is built in a store of its own, by a Docker daemon that is started for it with a data folder, a socket and a network
//! of its own: nothing is downloaded before, and nothing that other programs built is touched. In that network is nothing,
//! so the daemon reaches no registry; packages are downloaded by the program that builds, in the machine's network.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::measure::{Row, docker, in_turn, run, time_of};
use crate::subject::{ENGINES, Subject};

pub(crate) fn from_the_archive() -> Result<Vec<Row>> {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let needed = ["mmdebstrap", "dockerd", "unshare"];
    if !needed.into_iter().all(has) || run(Command::new("id").arg("-u"))? != "0" {
        eprintln!("`base` is left out: it needs mmdebstrap, dockerd, unshare and root");
        return Ok(Vec::new());
    }
    let daemon = Daemon::start()?;
    let base = |subject: &Subject| {
        let store = tempfile::tempdir()?;
        let command = |arguments: &[&str]| {
            let mut command = subject.command(arguments);
            command
                .env("IMAGE_STORE", store.path())
                .env("DOCKER_HOST", daemon.address())
                .env_remove("DOCKER_CONTEXT");
            command
        };
        let time = time_of(&mut command(&["build", "BASE"]))?;
        run(&mut command(&["prune", "--all"]))?;
        Ok(time)
    };
    let bootstrap = || {
        let folder = tempfile::tempdir()?;
        time_of(
            Command::new("mmdebstrap")
                .args(["--variant=minbase", "bookworm"])
                .arg(folder.path().join("base.tar")),
        )
    };
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [debug, release] = Subject::both(engine)?;
        let [debug, release, against] = in_turn(
            3,
            [&mut || base(&debug), &mut || base(&release), &mut || {
                bootstrap()
            }],
        )?;
        rows.push(Row {
            what: "Debian base from the archive, from nothing",
            engine,
            peer: "`mmdebstrap --variant=minbase`",
            against,
            debug,
            release: Some(release),
            goal: 0.5,
        });
    }
    Ok(rows)
}

/// A daemon of our own; it and its folder are gone when this is dropped.
struct Daemon {
    process: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        // What the usual daemon stores layers with, ours shall, too.
        let driver = run(&mut docker(&["info", "--format", "{{.Driver}}"]))?;
        let config = at("daemon.json");
        std::fs::write(&config, "{}")?;
        let log = std::fs::File::create(at("log"))?;
        // Any daemon removes the bridge `docker0` of its network, and the machine's has to keep its own.
        let process = Command::new("unshare")
            .args(["--net", "dockerd", "--bridge=none", "--iptables=false"])
            .args(["--storage-driver", &driver])
            .arg("--config-file")
            .arg(config)
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(address(folder.path()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("`unshare` cannot be started")?;
        let daemon = Self { process, folder };
        let begin = Instant::now();
        while run(docker(&["version"]).env("DOCKER_HOST", daemon.address())).is_err() {
            ensure!(
                begin.elapsed() < Duration::from_secs(60),
                "dockerd does not answer:\n{}",
                std::fs::read_to_string(daemon.folder.path().join("log"))?
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(daemon)
    }

    fn address(&self) -> String {
        address(self.folder.path())
    }
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to, it ends its containerd and unmounts what it mounted; killed, it would not.
        let _ = run(Command::new("kill").arg(self.process.id().to_string()));
        let _ = self.process.wait();
    }
}
