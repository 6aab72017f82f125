//! Images that leave the store: what other tools make of them, and that they are the same every time.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use image_runtime::digest::{Digest, LayerId};
use image_runtime::engine::embedded::EmbeddedEngine;
use image_runtime::engine::{Engine as _, NewLayer};
use image_runtime::store::Store;
use serde_json::{Value, json};

use crate::support::{Changing, Ended, Program, changing, program, store, subject, wait};

/// The embedded engine on a store, where it can run.
fn embedded(store: &Path) -> Option<EmbeddedEngine> {
    let engine = wait(EmbeddedEngine::open(&Store::at(store).unwrap())).ok();
    tests::have("the embedded engine", engine.is_some());
    engine
}

/// Whether a program is installed.
fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    let started = command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let missing = started.is_err_and(|error| error.kind() == ErrorKind::NotFound);
    tests::have(&format!("`{program}`"), !missing)
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn embedded_only(program: Program, store: &Path) -> Program {
    program
        .env("IMAGE_ENGINE", "embedded")
        .env("IMAGE_STORE", store)
}

/// Exports an image of copied files from a store of its own.
fn export(store: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["--json", "export", "COPIED"], arguments].concat();
    embedded_only(changing(&arguments), store)
        .run()
        .good()
        .json()
}

#[test]
fn a_path_that_cannot_be_written_is_told_as_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    if embedded(&store).is_none() {
        return;
    }
    let _files = Changing::take();
    for name in ["none/x.tar", "none/x"] {
        let path = folder.path().join(name);
        let path = path.to_str().unwrap();
        let ended = embedded_only(changing(&["export", "COPIED", path]), &store).run();
        let none = format!(
            "there is no directory `{}`",
            folder.path().join("none").display()
        );
        let ended = ended.with(
            1,
            &[
                &format!("writing `{path}` failed: {none}"),
                "help: make it first",
            ],
        );
        assert!(
            !ended.stderr.contains(".image-runtime-"),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn the_same_files_give_the_same_bytes_on_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    if embedded(&path("probe")).is_none() {
        return;
    }
    let _files = Changing::take();
    let stores = [path("first"), path("second")];
    let first = export(&stores[0], &[&text("1.tar")]);
    // The clock moves on between the two.
    std::thread::sleep(Duration::from_millis(1100));
    let second = export(&stores[1], &[&text("2.tar")]);
    export(&stores[1], &[&text("3.tar")]);
    let [one, two, three] = ["1.tar", "2.tar", "3.tar"].map(|name| fs::read(path(name)).unwrap());
    assert!(one == two && two == three, "{first} {second}");
    assert_eq!(first["digest"], second["digest"]);

    let layout = export(
        &stores[0],
        &[&text("layout"), "--tag", "box.example/team/app:1"],
    );
    assert_eq!(layout["digest"], first["digest"]);
    let index: Value =
        serde_json::from_slice(&fs::read(path("layout/index.json")).unwrap()).unwrap();
    let entry = &index["manifests"][0];
    assert_eq!(entry["digest"], first["digest"]);
    assert_eq!(
        entry["annotations"],
        json!({
            "io.containerd.image.name": "box.example/team/app:1",
            "org.opencontainers.image.ref.name": "1",
        })
    );
    for blob in fs::read_dir(path("layout/blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let digest = Digest::of(&fs::read(blob.path()).unwrap()).to_string();
        assert_eq!(blob.file_name().to_str(), Some(&*digest));
    }
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 7, "{left:?}");

    if has("skopeo") {
        for from in [
            format!("oci:{}:1", text("layout")),
            format!("oci-archive:{}", text("1.tar")),
        ] {
            let seen: Value = serde_json::from_str(&run("skopeo", &["inspect", &from])).unwrap();
            assert_eq!(seen["Digest"], first["digest"], "{from}");
            assert_eq!(
                seen["Layers"].as_array().unwrap().len() as u64,
                first["layers"]
            );
        }
    }
}

#[test]
fn what_an_image_starts_is_exported_and_does_not_keep_a_function_from_running() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    if embedded(&path("store")).is_none() {
        return;
    }
    let _files = Changing::take();
    let layout = path("layout");
    let arguments = ["export", "CONFIGURED", layout.to_str().unwrap()];
    embedded_only(changing(&arguments), &path("store"))
        .run()
        .good();
    let read = |digest: &Value| -> Value {
        let digest = digest.as_str().unwrap().replace(':', "/");
        serde_json::from_slice(&fs::read(layout.join("blobs").join(digest)).unwrap()).unwrap()
    };
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let config = &read(&read(&index["manifests"][0]["digest"])["config"]["digest"])["config"];
    assert_eq!(config["Entrypoint"], json!(["/bin/false", "--"]));
    assert_eq!(config["Cmd"], json!(["--first"]));
    assert_eq!(config["Shell"], json!(["/bin/bash", "-c"]));
    let call = changing(&["call", "in_configured"]).run().good();
    assert_eq!(call.stdout, "true\n");
}

#[test]
fn nothing_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    if embedded(&folder.path().join("store")).is_none() {
        return;
    }
    let export = |path: &Path| {
        let path = path.to_str().unwrap();
        let ended = embedded_only(
            subject(&["export", "NOTHING", path]),
            &folder.path().join("store"),
        )
        .run();
        ended.with(1, &["failed: "]).stderr
    };
    let precious = folder.path().join("precious");
    fs::create_dir(&precious).unwrap();
    assert!(export(&precious).contains("something is there already\n  help: "));
    let directory = folder.path().join("a.tar");
    fs::create_dir(&directory).unwrap();
    assert!(export(&directory).contains("it is a directory\n  help: "));
    assert!(export(&folder.path().join("none/a.tar")).contains("there is no directory"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// Removes an image of the daemon in the end.
struct Loaded(&'static str);

impl Drop for Loaded {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", self.0]).output();
    }
}

#[test]
fn docker_loads_and_runs_it() {
    if embedded(&store()).is_none() || !has("docker") {
        return;
    }
    let answers = Command::new("docker").arg("info").output().unwrap().status;
    if !tests::have("a Docker daemon", answers.success()) {
        return;
    }
    let loaded = Loaded("image-runtime-tests/debian:exported");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("debian.tar");
    let path = path.to_str().unwrap();
    let arguments = ["--quiet", "export", "DEBIAN", path, "--tag", loaded.0];
    embedded_only(subject(&arguments), &store()).run().good();
    let said = run("docker", &["load", "-i", path]);
    assert!(said.contains(loaded.0), "{said}");
    let script = "cat /etc/debian_version; stat -c '%a %u' /tmp; dpkg --verify; env";
    let said = run(
        "docker",
        &[
            "run",
            "--rm",
            "--network=none",
            loaded.0,
            "sh",
            "-c",
            script,
        ],
    );
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("12."), "{said}");
    assert_eq!(lines[1], "1777 0", "{said}");
    assert!(said.contains("\nPATH=/usr/local/sbin:"), "{said}");
}

/// Debian's `docker-registry`, with a folder of its own. It ends when the test does.
pub(crate) struct Registry {
    pub(crate) host: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// Nothing where the program is not installed.
    fn start() -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        Self::start_at(host, None)
    }

    /// The same at an address, for those alone that are in a text of `user:hash` lines, if there is one.
    pub(crate) fn start_at(host: String, users: Option<&str>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("data") } },
            "http": { "addr": host },
        });
        if let Some(users) = users {
            let path = folder.path().join("htpasswd");
            fs::write(&path, users).unwrap();
            config["auth"] = json!({ "htpasswd": { "realm": "test", "path": path } });
        }
        let file = folder.path().join("config.yml");
        // JSON is YAML.
        fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tests::have("`docker-registry`", false);
                return None;
            }
            Err(error) => panic!("docker-registry: {error}"),
        };
        let registry = Self {
            host,
            process,
            _folder: folder,
        };
        for _ in 0..600 {
            if TcpStream::connect(&registry.host).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen on {}", registry.host);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The directories of a layer and those below it, the lowest first.
fn stack(engine: &EmbeddedEngine, top: LayerId) -> Vec<PathBuf> {
    let layers = wait(engine.layers()).unwrap();
    let below = |id: &LayerId| layers.iter().find(|info| info.id == *id)?.parent;
    let ids = std::iter::successors(Some(top), below);
    let root = PathBuf::from(wait(engine.info()).unwrap().address).join("layers");
    let mut paths: Vec<_> = ids
        .map(|id| root.join(&id.to_string()[..16]).join("fs"))
        .collect();
    paths.reverse();
    paths
}

/// All that is to be seen of the files in a directory, one a line.
fn tree(root: &Path, below: &Path, lines: &mut Vec<String>) {
    let at = root.join(below);
    let found = fs::symlink_metadata(&at).unwrap();
    let kind = found.file_type();
    let content = if kind.is_file() {
        Digest::of(&fs::read(&at).unwrap()).to_string()
    } else if kind.is_symlink() {
        fs::read_link(&at).unwrap().display().to_string()
    } else {
        found.rdev().to_string()
    };
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(&at, &mut names[..]).unwrap();
    names.truncate(length);
    // What overlayfs notes for itself where it wrote is not a part of the files.
    let names: Vec<_> = names
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .filter(|name| !name.contains(".overlay.") || name.ends_with("opaque"))
        .collect();
    let is_hiding = kind.is_char_device() && found.rdev() == 0;
    let time = if is_hiding { 0 } else { found.mtime() };
    let links = if kind.is_dir() { 0 } else { found.nlink() };
    lines.push(format!(
        "{} {:o} {}:{} {time} {links} {content} {}",
        below.display(),
        found.mode(),
        found.uid(),
        found.gid(),
        names.concat(),
    ));
    if kind.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&at)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        for name in names {
            tree(root, &below.join(name), lines);
        }
    }
}

fn trees(paths: &[PathBuf]) -> Vec<Vec<String>> {
    let one = |path: &PathBuf| {
        let mut lines = Vec::new();
        tree(path, Path::new(""), &mut lines);
        lines
    };
    paths.iter().map(one).collect()
}

#[test]
fn what_was_pushed_is_pulled_back_as_it_was() {
    let Some(registry) = Registry::start() else {
        return;
    };
    let Some(engine) = embedded(&store()) else {
        return;
    };
    let reference = format!("{}/team/debian:1", registry.host);
    let push = |reference: &str| -> Value {
        let arguments = ["--json", "push", "DEBIAN", reference];
        embedded_only(subject(&arguments), &store())
            .run()
            .good()
            .json()
    };
    let first = push(&reference);
    assert_eq!(first["uploaded"], first["layers"], "{first}");
    let again = push(&reference);
    assert_eq!(
        (&again["digest"], &again["uploaded"]),
        (&first["digest"], &json!(0))
    );
    let other = push(&format!("{}/team/debian:2", registry.host));
    assert_eq!(other["uploaded"], 0, "{other}");

    let built = embedded_only(subject(&["--json", "build", "DEBIAN"]), &store())
        .run()
        .good()
        .json();
    let top: LayerId = built[0]["layer"].as_str().unwrap().parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let empty = embedded(folder.path()).unwrap();
    let digest = wait(empty.resolve(&reference, None)).unwrap();
    assert_eq!(first["digest"], digest);
    let new = NewLayer {
        id: Digest::of(b"pulled back"),
        parent: None,
        title: "pulled back".to_owned(),
    };
    let config = wait(empty.pull(&new, &reference, &digest, None, &|_, _| {})).unwrap();
    assert_eq!(config.workdir, "/");
    assert!(
        config.env.iter().any(|(name, _)| name == "PATH"),
        "{config:?}"
    );
    let before = trees(&stack(&engine, top));
    let back = trees(&stack(&empty, new.id));
    assert!(before.iter().flatten().count() > 3000);
    assert_eq!(before.len(), back.len());
    for (before, back) in before.iter().flatten().zip(back.iter().flatten()) {
        assert_eq!(before, back);
    }
    assert_eq!(
        before.iter().flatten().count(),
        back.iter().flatten().count()
    );
}

/// What is said of a name, when nothing was printed for programs.
fn pushed_to(reference: &str) -> Ended {
    program(
        env!("CARGO_BIN_EXE_subject"),
        &["push", "NOTHING", reference],
    )
    .env("IMAGE_ENGINE", "embedded")
    .run()
}

#[test]
fn a_registry_that_is_not_there_or_a_wrong_name_is_told() {
    if embedded(&store()).is_none() {
        return;
    }
    let bound = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = bound.local_addr().unwrap();
    drop(bound);
    let help = format!("help: `{free}` is this machine: start a registry there");
    let ended = pushed_to(&format!("{free}/a:1")).with(1, &["cannot be reached", "refused", &help]);
    assert!(!ended.stderr.contains("MIRROR"), "{}", ended.stderr);
    pushed_to("box.example/a@sha256:00").with(2, &["'box.example/a@sha256:00'", "give a tag"]);
    let ended = subject(&["export", "NOPE", "x.tar"]).run();
    ended.with(2, &["no image is called `NOPE`"]);
}
