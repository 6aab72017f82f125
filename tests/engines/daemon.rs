//! A Docker daemon of its own, for what must not be done to the machine's: fill its disk, remove all its caches.
//! It needs root and `dockerd`; where they are missing the cases say that they did not run, or fail where they must.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use image_runtime::engine::docker::DockerEngine;
use image_runtime::engine::{Engine, EngineError, FileSink, MOUNT_ROOT, Mount};
use tempfile::TempDir;

use crate::bench::{self, Bench, idle, not_run, shell};
use crate::tree::{Walk, file};

/// A daemon whose disk is a file system in memory of a fixed size.
struct Daemon {
    process: Child,
    disk: Disk,
}

struct Disk(TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        // What the daemon mounted lies under it.
        let _ = Command::new("umount")
            .args(["--recursive", "--lazy"])
            .arg(self.0.path())
            .status();
    }
}

impl Daemon {
    /// Starts one; the error says why none can be.
    async fn start(megabytes: u32) -> Result<(Self, Arc<dyn Engine>), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can start a daemon".to_owned());
        }
        let disk = Disk(tempfile::tempdir().unwrap());
        let at = disk.0.path().to_owned();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(&at)
            .status();
        if !mount.is_ok_and(|status| status.success()) {
            return Err("no file system of its own can be mounted".to_owned());
        }
        let socket = format!("unix://{}", at.join("socket").display());
        let log = fs::File::create(at.join("log")).unwrap();
        let settings = at.join("settings.json");
        fs::write(&settings, "{}").unwrap();
        // Any daemon removes the bridge `docker0` of its network, and the machine's has to keep its own.
        let process = Command::new("unshare")
            .args(["--net", "dockerd", "--config-file"])
            .arg(settings)
            .args([
                "--bridge=none",
                "--iptables=false",
                "--storage-driver=vfs",
                "--host",
                &socket,
            ])
            .arg("--data-root")
            .arg(at.join("data"))
            .arg("--exec-root")
            .arg(at.join("run"))
            .arg("--pidfile")
            .arg(at.join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`unshare` cannot be started: {error}"))?;
        let mut daemon = Self { process, disk };
        for _ in 0..300 {
            if let Ok(engine) = DockerEngine::connect_to(&socket).await {
                return Ok((daemon, Arc::new(engine)));
            }
            if daemon.process.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(daemon.at().join("log")).unwrap_or_default();
        Err(format!(
            "`dockerd` does not come up: {}",
            log.lines().last().unwrap_or_default()
        ))
    }

    fn at(&self) -> &Path {
        self.disk.0.path()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.process.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

async fn on_own_daemon(case: &str, megabytes: u32, body: impl AsyncFnOnce(&Bench)) {
    match Daemon::start(megabytes).await {
        Ok((_daemon, engine)) => bench::run(engine, body).await,
        Err(reason) => not_run(case, &reason),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_no_layer() {
    on_own_daemon("a_full_disk_is_told", 48, async |bench| {
        let base = bench.layer(None, [file("x", "1")]).await.unwrap();
        for parent in [None, Some(base)] {
            let new = bench.new_layer(parent);
            let too_much = Walk(|sink: &mut dyn FileSink| {
                for number in 0..100 {
                    let item = file(&format!("f{number}"), vec![b'x'; 1_000_000]);
                    sink.add(&item.entry, &mut Cursor::new(&item.content))?;
                }
                Ok(())
            });
            let error = bench
                .engine
                .add_files(&new, Box::new(too_much))
                .await
                .unwrap_err();
            assert!(matches!(error, EngineError::NoSpace { .. }), "{error:?}");
            assert!(error.to_string().contains("`prune`"), "{error}");
            assert!(!bench.engine.has_layer(&new.id).await.unwrap());
        }
        // And the space is free again.
        bench
            .layer(None, [file("y", vec![b'y'; 5_000_000])])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_are_removed_unless_they_are_in_use() {
    on_own_daemon("caches_are_removed", 200, async |bench| {
        let items = crate::tree::small_system().0;
        let system = bench.layer(None, items).await.unwrap();
        let cache = |name: &str| Mount::Cache {
            name: name.to_owned(),
            target: format!("{MOUNT_ROOT}/cache"),
        };
        let mut used = idle(system, "echo x > /dev/image-runtime/cache/x");
        used.mounts = vec![cache("used")];
        let mut unused = shell(system, "echo x > /dev/image-runtime/cache/x");
        unused.mounts = vec![cache("unused")];
        let container = bench.start_idle(&used).await;
        bench.run(&unused).await;
        assert_eq!(bench.engine.remove_caches().await.unwrap(), 1);
        let mut look = shell(
            system,
            "cat /dev/image-runtime/cache/x 2> /dev/null || echo empty",
        );
        for (name, content) in [("used", "x"), ("unused", "empty")] {
            look.mounts = vec![cache(name)];
            assert_eq!(bench.run(&look).await.1, [content]);
        }
        container.remove().await.unwrap();
        assert_eq!(bench.engine.remove_caches().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_is_told() {
    match Daemon::start(100).await {
        Ok((daemon, engine)) => {
            let layer = bench::new_identity();
            assert!(!engine.has_layer(&layer).await.unwrap());
            drop(daemon);
            let error = engine.has_layer(&layer).await.unwrap_err();
            assert!(
                matches!(error, EngineError::Unreachable { .. }),
                "{error:?}"
            );
        }
        Err(reason) => not_run("a_daemon_that_goes_away_is_told", &reason),
    }
}
