//! Images with conda, from a channel that a program makes: directories and a server of files.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Program, data, engine, engine_name, program};

/// The directory of channels, made once: `conda-forge` is in it.
fn channels() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conda-channels");
        let _ = fs::remove_dir_all(&folder);
        conda(&[])
            .env("IMAGE_TESTS_CHANNEL", folder.join("conda-forge"))
            .run()
            .good();
        folder
    })
}

fn conda(arguments: &[&str]) -> Program {
    program(env!("CARGO_BIN_EXE_conda"), arguments)
}

/// The same with channels of the directory.
fn mirrored(arguments: &[&str]) -> Program {
    conda(arguments).env("IMAGE_CONDA_MIRROR", channels())
}

/// A directory among the tests' data, which is removed however a test ends.
struct Generated(PathBuf);

impl Drop for Generated {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Serves the files of a directory, and ends with the process.
fn serve(folder: &'static Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                while let Some(request) = lines.next() {
                    let _ = lines.by_ref().take_while(|line| !line.is_empty()).count();
                    let path = request.split(' ').nth(1).unwrap_or_default();
                    let file = fs::read(folder.join(path.trim_start_matches('/')));
                    let status = if file.is_ok() {
                        "200 OK"
                    } else {
                        "404 Not Found"
                    };
                    let body = file.unwrap_or_default();
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
                    let body = if request.starts_with("HEAD") {
                        &[][..]
                    } else {
                        &body
                    };
                    let _ = (&stream).write_all(&[head.as_bytes(), body].concat());
                }
            });
        }
    });
    address
}

#[test]
fn conda_packages_are_solved_and_installed_into_a_prefix_with_its_own_python() {
    if !engine() {
        return;
    }
    let told = mirrored(&["--json", "call", "greeting"])
        .run()
        .good()
        .json();
    assert_eq!(told[0], "/opt/conda");
    assert_eq!(told[1], "greetings from /opt/conda");
    assert_eq!(told[2], "1.0 /opt/conda/share");
    let records = told[3].as_str().unwrap();
    for record in [
        "greet-1.0-0.json",
        "python-3.11",
        "words-1.0-0.json",
        "history",
    ] {
        assert!(records.contains(record), "{records}");
    }
    // Nothing of the tool, and no path of a build.
    assert!(!records.contains("py-rattler"), "{records}");
    assert_eq!(told[4], "");

    let more = mirrored(&["--json", "call", "more"]).run().good().json();
    assert_eq!(more[0], "1.0 /opt/conda/share", "what is installed stays");
    assert_eq!(more[1], "old");
    let six = "/opt/conda/lib/python3.11/site-packages/six.py";
    assert_eq!(more[2], six, "pip installs into the prefix");
    assert_eq!(more[3], "greetings from /opt/conda");
}

#[test]
fn a_builder_version_pins_what_conda_stands_on() {
    if !engine() {
        return;
    }
    let told = mirrored(&["--json", "call", "earlier"]).run().good().json();
    let [debian, records] = [0, 1].map(|index| told[index].as_str().unwrap());
    assert!(debian.starts_with("11."), "{debian}");
    assert!(records.contains("python-3.11"), "{records}");
}

#[test]
fn what_cannot_be_solved_says_why() {
    if !engine() {
        return;
    }
    mirrored(&["build", "CONFLICT"]).run().with(
        1,
        &[
            "micromamba install new",
            "these packages cannot be installed together",
            "words >=2",
            "earlier steps asked for: greet 1.*, python 3.11.*, words <2",
        ],
    );
    mirrored(&["build", "MISSING"])
        .run()
        .with(1, &["No candidates were found for no-such-package >=3"]);
}

#[test]
fn channels_are_directories_and_servers() {
    if !engine() {
        return;
    }
    let generated = Generated(data("conda/generated"));
    let _ = fs::remove_dir_all(&generated.0);
    let ended = mirrored(&["build", "DIRECTORY"]).run();
    ended.with(
        1,
        &[
            "from the channel `./cli/data/conda/generated`",
            "IMAGE_CONDA_MIRROR",
        ],
    );
    let copied = Command::new("cp")
        .arg("-r")
        .args([&channels().join("conda-forge"), &generated.0])
        .status();
    assert!(copied.unwrap().success());
    let told = mirrored(&["--json", "call", "directory"])
        .run()
        .good()
        .json();
    assert!(
        told.as_str()
            .unwrap()
            .contains("./cli/data/conda/generated"),
        "{told}"
    );

    // A daemon's containers do not reach what listens here.
    if engine_name() == "embedded" {
        let served = conda(&["call", "served"]).env("IMAGE_CONDA_MIRROR", serve(channels()));
        let words = served.run().good().stdout;
        assert_eq!(words.trim(), "\"2.0 /opt/conda/share\"");
    }
}

/// A copy of the channels, without one version of a package.
fn without(version: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .args([&channels().join("conda-forge"), folder.path()])
        .status();
    assert!(copied.unwrap().success());
    let native = match std::env::consts::ARCH {
        "x86_64" => "linux-64",
        _ => "linux-aarch64",
    };
    let path = folder
        .path()
        .join(format!("conda-forge/{native}/repodata.json"));
    let mut repodata: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let packages = repodata["packages.conda"].as_object_mut().unwrap();
    packages
        .remove(&format!("words-{version}-0.conda"))
        .unwrap();
    fs::write(&path, repodata.to_string()).unwrap();
    folder
}

#[test]
fn a_lock_holds_conda_packages_and_brings_exactly_them() {
    if !engine() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("image.lock");
    let locked = |arguments: &[&str], channels: &Path| {
        program(env!("CARGO_BIN_EXE_conda_locked"), arguments)
            .env("IMAGE_LOCK", &lock)
            .env(
                "IMAGE_LOCKED",
                if arguments[0] == "lock" { "" } else { "1" },
            )
            .env("IMAGE_CONDA_MIRROR", channels)
            .run()
    };
    let (old, new) = (without("2.0"), without("1.0"));
    locked(&["lock"], old.path()).good();
    let text = fs::read_to_string(&lock).unwrap();
    for said in [
        "https://conda.anaconda.org/conda-forge/",
        "/words-1.0-0.conda#sha256=",
        "/python-3.11",
        "py-rattler",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    locked(&["build"], channels()).good();
    let words = locked(&["call", "words"], channels()).good().stdout;
    assert_eq!(words.trim(), "\"1.0 /opt/conda/share\"");
    locked(&["build"], new.path()).with(
        1,
        &["no channel has what is locked any more: words-1.0-0.conda"],
    );
}
