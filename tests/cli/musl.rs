//! Standalone Pythons in images without glibc.

use std::fs::{self, File};

use serde_json::json;

use crate::export::Registry;
use crate::support::{Program, engine, program};

/// Where the images of the program say that it is.
const HOST: &str = "127.83.21.8:42572";

fn musl(arguments: &[&str], mirror: &str) -> Program {
    program(env!("CARGO_BIN_EXE_musl"), arguments).env("IMAGE_PYTHON_MIRROR", mirror)
}

/// A registry with an image that has busybox and musl, and nothing else.
fn registry_with_busybox() -> Option<(Registry, File)> {
    let alone = tests::take_address(HOST);
    let registry = Registry::start_at(HOST.to_owned(), None)?;
    let reference = format!("{HOST}/team/busybox:1");
    musl(&["push", "BUSYBOX", &reference], "").run().good();
    Some((registry, alone))
}

fn archive_name(release: &str, libc: &str) -> String {
    let architecture = std::env::consts::ARCH;
    format!("cpython-{release}+20240107-{architecture}-unknown-linux-{libc}-install_only.tar.gz")
}

#[test]
fn an_image_without_glibc_is_given_no_python_that_needs_it() {
    if !engine() {
        return;
    }
    let Some(_registry) = registry_with_busybox() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(archive_name("3.11.9", "gnu")), "").unwrap();
    let mirror = folder.path().to_str().unwrap();
    let called = musl(&["call", "has_glibc"], mirror).run().good();
    assert_eq!(called.stdout, "false\n");
    let none = format!(
        "`{mirror}` has no standalone Python 3.11 for {}-unknown-linux-musl",
        std::env::consts::ARCH
    );
    musl(&["build", "ADDED", "--pull"], mirror).run().with(
        1,
        &[
            "a standalone Python 3.11 cannot be had",
            "help: set `IMAGE_PYTHON_MIRROR` to a mirror that has it",
            &none,
        ],
    );
}

/// `cargo test -p tests --test cli -- --ignored python_for_musl`
#[test]
#[ignore = "it compiles CPython, which takes minutes"]
fn a_python_for_musl_runs_and_installs_wheels_for_musl() {
    if !engine() {
        return;
    }
    let Some(_registry) = registry_with_busybox() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join(archive_name("3.11.2", "musl"));
    let mirror = folder.path().to_str().unwrap();
    musl(&[], mirror)
        .env("IMAGE_TESTS_ARCHIVE", &archive)
        .run()
        .good();
    // One for glibc that would come first.
    fs::write(folder.path().join(archive_name("3.11.9", "gnu")), "").unwrap();
    let built = musl(&["build", "ADDED", "--pull"], mirror).run().good();
    let said = format!("ADDED: Python 3.11.2 is a standalone one, from {mirror}");
    assert!(built.stderr.contains(&said), "{}", built.stderr);
    let called = musl(&["call", "described", "[1, 2, 4]"], mirror).run();
    assert_eq!(
        called.good().json(),
        json!({
            "version": "3.11.2",
            "abi": format!("cpython-311-{}-linux-musl", std::env::consts::ARCH),
            "program": "/usr/local/bin/python3",
            "six": "1.17.0",
            "escaped": "&lt;",
            "native": "markupsafe._speedups",
            "mean": "2.3333333333333335",
            "inverse": "0.25",
        })
    );
}
