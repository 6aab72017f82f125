//! Caches of build steps, which on a daemon are those of all stores.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use image_runtime::{Image, app, image};

use crate::support::engine;

/// Which of the images a process builds.
const VARIABLE: &str = "IMAGE_TESTS_CACHES";

// Where two are in the directory at once, one of them fails.
const RUNS: Image = image!(debian_slim().dockerfile_commands(
    "RUN --mount=type=cache,id=tests-of-stores,target=/c,sharing=locked mkdir /c/one && sleep 2 && rmdir /c/one",
    force_build = true
));
const RUNS_TOO: Image = image!(debian_slim().dockerfile_commands(
    "RUN --mount=type=cache,id=tests-of-stores,target=/c,sharing=locked mkdir /c/one && sleep 1 && rmdir /c/one",
    force_build = true
));
// So does apt.
const INSTALLS: Image = image!(debian_slim().apt_install("hello", force_build = true));
const INSTALLS_TOO: Image = image!(debian_slim().apt_install("bc", force_build = true));

#[app::function(image = RUNS)]
fn runs() {}

#[app::function(image = RUNS_TOO)]
fn runs_too() {}

#[app::function(image = INSTALLS)]
fn installs() {}

#[app::function(image = INSTALLS_TOO)]
fn installs_too() {}

/// Is run in processes of its own, too.
#[app::test]
async fn one_is_built() {
    match std::env::var(VARIABLE).as_deref() {
        Ok("runs") => runs::remote().await.unwrap(),
        Ok("runs_too") => runs_too::remote().await.unwrap(),
        Ok("installs") => installs::remote().await.unwrap(),
        Ok("installs_too") => installs_too::remote().await.unwrap(),
        _ => {}
    }
}

/// The test above in a process of its own.
fn build(store: &Path, which: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["caches::one_is_built", "--exact", "--nocapture"])
        .env("IMAGE_STORE", store)
        .env(VARIABLE, which)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn builds_of_two_stores_take_turns_in_a_cache() {
    if !engine() {
        return;
    }
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for images in [["runs", "runs_too"], ["installs", "installs_too"]] {
        let builds = stores.iter().zip(images);
        let builds: Vec<_> = builds
            .map(|(store, image)| build(store.path(), image))
            .collect();
        for build in builds {
            let ended = build.wait_with_output().unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(ended.status.success(), "{said}");
        }
    }
}
