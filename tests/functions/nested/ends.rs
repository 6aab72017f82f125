//! What ends with the call that asked for it, and what a function spawns and runs on after it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_runtime::{CallError, CallErrorKind, Volume, app};

use super::twice;
use crate::NOTHING;

const MARKS: Volume = Volume::from_host("../target/tmp");

fn marks(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
    fs::create_dir_all(&folder).expect("there is room");
    folder.join(format!("nested-{name}-{}", std::process::id()))
}

/// Makes a mark after the other, for a long time.
#[app::function(image = NOTHING, volumes = { "/marks": MARKS })]
fn go_on_marking(name: &str) {
    for _ in 0..6000 {
        let marks = fs::File::options()
            .create(true)
            .append(true)
            .open(Path::new("/marks").join(name));
        let marked = marks.and_then(|mut marks| marks.write_all(b"x"));
        marked.expect("there is room");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[app::function(image = NOTHING, volumes = { "/marks": MARKS })]
fn mark_once(name: &str) {
    fs::write(Path::new("/marks").join(name), "once").expect("there is room");
}

#[app::function(image = NOTHING, volumes = { "/marks": MARKS })]
fn wait_for_marks(name: &str, how: &str) -> Result<(), CallError> {
    match how {
        "spawn" => go_on_marking::spawn(name).get_blocking(),
        "map" => go_on_marking::map([name]).blocking().collect(),
        "exit" => {
            let _marking = go_on_marking::spawn(name);
            while !Path::new("/marks").join(name).exists() {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::process::exit(3);
        }
        _ => go_on_marking::remote(name).blocking(),
    }
}

#[app::function(image = NOTHING, concurrency = 4, max_containers = 1)]
fn wait_beside(name: &str) -> Result<u64, CallError> {
    match name {
        "" => {
            std::thread::sleep(Duration::from_secs(2));
            twice::remote(4).blocking()
        }
        name => go_on_marking::remote(name).blocking().map(|()| 0),
    }
}

fn read(marks: &Path) -> String {
    fs::read_to_string(marks).unwrap_or_default()
}

fn name_of(marks: &Path) -> &str {
    let name = marks.file_name().and_then(|name| name.to_str());
    name.expect("its name is a text")
}

async fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing happens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn wait_for_the_end_of(marks: &Path) {
    let begun = Instant::now();
    loop {
        let before = read(marks);
        tokio::time::sleep(Duration::from_millis(500)).await;
        if read(marks) == before {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{marks:?}");
    }
    fs::remove_file(marks).expect("it is there");
}

#[app::test]
async fn what_a_call_asked_for_ends_with_it() {
    for how in ["remote", "spawn", "map"] {
        let marks = marks(how);
        let call = wait_for_marks::spawn(name_of(&marks), how);
        wait_until(|| marks.exists()).await;
        call.cancel().await;
        wait_for_the_end_of(&marks).await;
    }
    let late = marks("late");
    // On a machine that is busy, it may take long to begin.
    for limit in [1, 5, 25] {
        let call = wait_for_marks::remote(name_of(&late), "remote");
        let error = call.timeout(Duration::from_secs(limit)).await.unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::TimedOut);
        if late.exists() {
            break;
        }
    }
    wait_for_the_end_of(&late).await;

    let died = marks("died");
    let error = wait_for_marks::remote(name_of(&died), "exit")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Died);
    wait_for_the_end_of(&died).await;

    let beside = marks("beside");
    let other = wait_beside::spawn("");
    let call = wait_beside::spawn(name_of(&beside));
    wait_until(|| beside.exists()).await;
    call.cancel().await;
    wait_for_the_end_of(&beside).await;
    assert_eq!(other.get().await.unwrap(), 8);
}

#[app::function(image = NOTHING)]
async fn spawn_inside(marks: &str) -> Result<(bool, u64, String), CallError> {
    let handle = twice::spawn(21);
    let result = handle.get().await?;
    let cancelled = go_on_marking::spawn("nested-nobody-looks");
    cancelled.cancel().await;
    let kind = cancelled.get().await.map_err(|error| error.kind());
    drop(mark_once::spawn(marks));
    Ok((handle.is_finished(), result, format!("{kind:?}")))
}

/// Comes again in the background, although there is but one container for it.
#[app::function(image = NOTHING, max_containers = 1, volumes = { "/marks": MARKS })]
fn come_again(marks: &str, times: u32) {
    fs::write(Path::new("/marks").join(marks), times.to_string()).expect("there is room");
    if times > 0 {
        drop(come_again::spawn(marks, times - 1));
    }
}

#[app::test]
async fn what_a_function_spawns_runs_on_after_it() {
    let once = marks("once");
    let result = spawn_inside::remote(name_of(&once)).await.unwrap();
    assert_eq!(result, (true, 42, "Err(Cancelled)".into()));
    wait_until(|| read(&once) == "once").await;
    fs::remove_file(once).unwrap();

    let again = marks("again");
    come_again::remote(name_of(&again), 5).await.unwrap();
    wait_until(|| read(&again) == "0").await;
    fs::remove_file(again).unwrap();
}
