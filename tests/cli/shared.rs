//! Tests that each have a process of their own, as those of nextest, share containers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use image_runtime::{Image, app, image};

use crate::support::engine;

const NOTHING: Image = image!(scratch());

static CALLS: AtomicU32 = AtomicU32::new(0);

/// How many calls its container has had.
#[app::function(image = NOTHING, secrets = [Secret::from_env("IMAGE_TESTS_SHARED")], max_containers = 1)]
fn count() -> u32 {
    let count = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    println!("call {count}");
    count
}

/// Is run in processes of its own, too.
#[app::test]
async fn one_of_many() {
    if std::env::var_os("IMAGE_TESTS_SHARED").is_some() {
        let count = count::remote().await.expect("it works");
        println!("counted {count}");
        // Containers stay while one that shares them is there.
        if std::env::var_os("IMAGE_TESTS_STAYS").is_some() {
            let read = std::io::stdin().read_line(&mut String::new());
            read.expect("the input ends");
        }
    }
}

/// The test above in a process of nextest.
fn process(store: &Path, secret: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["shared::one_of_many", "--exact", "--nocapture"])
        .env("NEXTEST", "1")
        .env("IMAGE_STORE", store)
        .env("IMAGE_TESTS_SHARED", secret);
    command
}

/// One that stays until its input ends, when it has said what it counted.
fn staying(store: &Path, secret: &str, count: u32) -> Child {
    let mut child = process(store, secret)
        .env("IMAGE_TESTS_STAYS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with(&format!("counted {count}"))));
    child
}

/// What it says.
fn counted(store: &Path, secret: &str) -> String {
    let ended = process(store, secret).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.strip_prefix("counted "));
    let count = count.unwrap_or_else(|| panic!("{said}")).to_owned();
    assert!(said.contains(&format!("│ call {count}")), "{said}");
    count
}

#[test]
fn tests_of_one_build_share_containers_where_they_have_the_same_secrets() {
    if !engine() {
        return;
    }
    let store = tempfile::tempdir().unwrap();
    let mut staying = staying(store.path(), "one value", 1);
    for number in 2..4 {
        assert_eq!(counted(store.path(), "one value"), number.to_string());
    }
    assert_eq!(counted(store.path(), "other value"), "1");
    assert_eq!(counted(store.path(), "one value"), "4");
    drop(staying.stdin.take());
    assert!(staying.wait().unwrap().success());
    // Whoever keeps the containers goes when nobody has come for a while, and takes all with it.
    let run = store.path().join("v1/run");
    let begun = Instant::now();
    while std::fs::read_dir(&run).unwrap().next().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
}
