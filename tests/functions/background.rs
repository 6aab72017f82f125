//! Calls in the background: spawned, waited for, cancelled, dropped; and calls that are made again.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use image_runtime::{CallErrorKind, app};

use crate::NOTHING;

#[app::function(image = NOTHING)]
fn double(number: u32) -> u32 {
    number * 2
}

#[app::function(image = NOTHING)]
fn sleep(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

/// Whose file system lasts from one call to the next: the container's own.
#[app::function(image = NOTHING, max_containers = 1)]
fn fail_at_first(times: u32, how: &str) -> anyhow::Result<u32> {
    let marks = Path::new("/dev/shm").join(format!("marks-{how}"));
    let before = std::fs::read(&marks).map_or(0, |marks| marks.len());
    std::fs::write(&marks, vec![b'x'; before + 1])?;
    if before >= times as usize {
        std::fs::remove_file(&marks)?;
        return Ok(times);
    }
    match how {
        "error" => anyhow::bail!("not yet"),
        "panic" => panic!("not yet"),
        _ => std::process::exit(7),
    }
}

#[app::function(image = NOTHING, retries(max = 2, initial_delay = "10ms"))]
fn never(reason: &str) -> Result<(), String> {
    println!("{reason}");
    Err(reason.to_owned())
}

#[app::test]
async fn a_spawned_call_runs_and_its_result_can_be_had_again() {
    let handle = double::spawn(4);
    assert_eq!(handle.get().await.expect("it works"), 8);
    assert!(handle.is_finished());
    assert_eq!(handle.get().await.expect("it works"), 8);
    let handles: Vec<_> = (0..50).map(double::spawn).collect();
    let ids: HashSet<_> = handles
        .iter()
        .map(|handle| handle.id().to_string())
        .collect();
    assert_eq!(ids.len(), 50);
    for (number, handle) in (0..50).zip(handles) {
        assert_eq!(handle.get().await.expect("it works"), number * 2);
    }
}

#[app::test]
fn a_spawned_call_can_be_waited_for_without_a_runtime() {
    assert_eq!(double::spawn(4).get_blocking().expect("it works"), 8);
}

#[app::test]
async fn waiting_for_a_spawned_call_can_end_before_the_call_does() {
    let handle = sleep::spawn(1500);
    let error = handle.get_timeout(Duration::from_millis(10)).await;
    let error = error.expect_err("it still sleeps");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
    assert!(error.to_string().contains("it runs on"), "{error}");
    assert_eq!(handle.get().await.expect("it runs on"), 1500);
}

#[app::test]
async fn a_cancelled_call_says_by_whom_and_one_that_has_ended_keeps_its_result() {
    let handle = sleep::spawn(60_000);
    tokio::time::sleep(Duration::from_millis(300)).await;
    handle.cancel().await;
    let error = handle.get().await.expect_err("it was cancelled");
    assert_eq!(error.kind(), CallErrorKind::Cancelled);
    assert!(error.to_string().contains("by `Handle::cancel`"), "{error}");
    let ended = double::spawn(1);
    ended.get().await.expect("it works");
    ended.cancel().await;
    assert_eq!(ended.get().await.expect("it had ended"), 2);
}

#[app::test]
async fn many_dropped_handles_harm_nobody() {
    for number in 0..10_000 {
        drop(double::spawn(number));
    }
    assert_eq!(double::remote(1).await.expect("it works"), 2);
}

#[app::test]
async fn a_call_is_made_once_unless_it_says_otherwise() {
    let error = fail_at_first::remote(1, "error").await;
    let error = error.expect_err("it is made once");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    assert_eq!(
        fail_at_first::remote(1, "error")
            .await
            .expect("it was the second"),
        1
    );
    let again = fail_at_first::remote(1, "error").retries(1).await;
    assert_eq!(again.expect("the second succeeds"), 1);
    let again = fail_at_first::remote(1, "panic").retries(1).await;
    assert_eq!(again.expect("the second succeeds"), 1);
}

#[app::test]
async fn the_last_of_several_tries_is_told() {
    let error = never::remote("out of luck")
        .await
        .expect_err("it never works");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    let text = error.to_string();
    assert!(
        text.contains("out of luck") && text.contains("3 tries"),
        "{text}"
    );
    let error = never::remote("out of luck")
        .retries(0)
        .await
        .expect_err("it never works");
    assert!(!error.to_string().contains("tries"), "{error}");
}
