//! How many containers there are, what they do at once, and how long they stay.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use image_runtime::{CallErrorKind, app};

use crate::marks::{self, MARKS, Mark};
use crate::{DEBIAN, NOTHING};

/// What tells a container from all others: it has its own.
fn container() -> String {
    static OWN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("the kernel has numbers")
    });
    OWN.clone()
}

/// Waits until so many containers are there with a call of the same meeting.
fn meet(meeting: &str, all: usize) -> String {
    let own = container();
    assert!(marks::meet(meeting, own.trim(), all), "nobody else comes");
    own
}

#[app::function(image = NOTHING, max_containers = 2, volumes = { "/marks": MARKS })]
fn at_most_two(meeting: &str, all: usize) -> String {
    meet(meeting, all)
}

#[app::function(image = NOTHING, env = { "POOL": "as needed" })]
fn as_needed() -> String {
    container()
}

#[app::function(image = NOTHING, idle_timeout = "0s")]
async fn fresh() -> String {
    container()
}

#[app::function(image = NOTHING, idle_timeout = "100ms", max_containers = 3, volumes = { "/marks": MARKS })]
fn short_lived(meeting: &str, all: usize) -> String {
    meet(meeting, all)
}

#[app::function(
    image = NOTHING,
    idle_timeout = "100ms",
    min_containers = 2,
    max_containers = 3,
    volumes = { "/marks": MARKS }
)]
fn kept(meeting: &str, all: usize) -> String {
    meet(meeting, all)
}

#[app::function(image = NOTHING, concurrency = 8, max_containers = 1)]
fn meet_inside(all: u32) -> u32 {
    static HERE: AtomicU32 = AtomicU32::new(0);
    HERE.fetch_add(1, Ordering::SeqCst);
    let begun = Instant::now();
    while HERE.load(Ordering::SeqCst) < all && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    HERE.load(Ordering::SeqCst)
}

#[app::function(image = NOTHING, concurrency = 4, max_containers = 1, timeout = "2s")]
fn sleep_beside(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

#[app::function(image = NOTHING, max_containers = 4, env = { "POOL": "spread" }, volumes = { "/marks": MARKS })]
fn spread(meeting: &str, all: usize) -> String {
    meet(meeting, all)
}

#[app::function(image = NOTHING, max_containers = 4, env = { "POOL": "behind" }, volumes = { "/marks": MARKS })]
fn same_when(number: u32, mark: &str) -> u32 {
    assert!(mark.is_empty() || marks::wait_until(mark, true), "no mark");
    number
}

async fn all(
    calls: impl IntoIterator<Item = impl IntoFuture<Output = Result<String, image_runtime::CallError>>>,
) -> HashSet<String> {
    let calls = calls.into_iter().map(IntoFuture::into_future);
    join_all(calls)
        .await
        .into_iter()
        .map(|call| call.expect("it works"))
        .collect()
}

#[app::test]
async fn there_are_no_more_containers_than_said_nor_than_needed() {
    let meeting = Mark::new("two");
    let calls = (0..6).map(|_| at_most_two::remote(meeting.name(), 2));
    assert_eq!(all(calls).await.len(), 2);
    let mut one = HashSet::new();
    for _ in 0..3 {
        one.insert(as_needed::remote().await.expect("it works"));
    }
    assert_eq!(one.len(), 1);
}

#[app::test]
async fn calls_that_turn_out_slow_spread_over_containers() {
    let (quick, slow) = (Mark::new("quick"), Mark::new("slow"));
    // Quick at first, so that inputs would be sent ahead.
    spread::starmap((0..200).map(|_| (quick.name(), 1)))
        .collect()
        .await;
    let containers = all((0..4).map(|_| spread::remote(slow.name(), 4))).await;
    assert_eq!(containers.len(), 4);
}

#[app::test]
async fn a_call_behind_a_slow_one_does_not_wait_for_it() {
    same_when::starmap((0..200).map(|n| (n, "")))
        .collect()
        .await;
    // Quick ones keep the pace quick while a slow one begins; those behind it are called back.
    let mark = Mark::new("behind");
    let name = |n| if n == 50 { mark.name() } else { "" };
    let mut results = same_when::starmap((0..100).map(|n| (n, name(n)))).unordered();
    for _ in 0..99 {
        let result = results.next().await.expect("there are more");
        assert_ne!(result.expect("it works"), 50);
    }
    mark.make();
    let slow = results.next().await.expect("the slow one");
    assert_eq!(slow.expect("it works"), 50);
}

#[app::test]
async fn without_idle_time_each_call_has_a_container_of_its_own() {
    let mut containers = HashSet::new();
    for _ in 0..3 {
        containers.insert(fresh::remote().await.expect("it works"));
    }
    containers.extend(all((0..3).map(|_| fresh::remote())).await);
    assert_eq!(containers.len(), 6);
}

/// How long containers are left idle, in seconds: on a machine that is busy, it may take long until they have ended.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 16];

#[app::test]
async fn idle_containers_end() {
    let (first, later) = (Mark::new("idle"), Mark::new("idle-later"));
    let before = all((0..3).map(|_| short_lived::remote(first.name(), 3))).await;
    assert_eq!(before.len(), 3);
    for seconds in PAUSES {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let after = short_lived::remote(later.name(), 1).await;
        if !before.contains(&after.expect("it works")) {
            return;
        }
    }
    panic!("one of them stays");
}

#[app::test]
async fn as_many_containers_stay_as_must_be_there() {
    let mut before = HashSet::new();
    for seconds in [0].into_iter().chain(PAUSES) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let meeting = Mark::new(&format!("kept-{seconds}"));
        let after = all((0..3).map(|_| kept::remote(meeting.name(), 3))).await;
        assert_eq!(after.len(), 3);
        match before.intersection(&after).count() {
            0 if before.is_empty() => {}
            2 => return,
            stayed => assert_eq!(stayed, 3),
        }
        before = after;
    }
    panic!("all of them stay");
}

#[app::test]
async fn calls_run_at_once_in_one_container_where_that_is_allowed() {
    let met = join_all((0..8).map(|_| meet_inside::spawn(8).get())).await;
    assert_eq!(
        met.into_iter().map(Result::ok).collect::<Vec<_>>(),
        [Some(8); 8]
    );
}

#[app::test]
async fn a_call_that_takes_too_long_does_not_harm_those_beside_it() {
    let long = sleep_beside::spawn(60_000);
    let beside: Vec<_> = (0..3).map(|_| sleep_beside::spawn(100)).collect();
    for call in beside {
        assert_eq!(call.get().await.expect("it is in time"), 100);
    }
    let error = long.get().await.expect_err("it takes too long");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
    assert_eq!(
        sleep_beside::remote(1)
            .await
            .expect("there is another container"),
        1
    );
}

#[app::function(image = NOTHING, concurrency = 4, max_containers = 2)]
fn exit_at_or_sleep(number: u32, at: u32) -> u32 {
    if number == at {
        std::process::exit(3);
    }
    std::thread::sleep(Duration::from_millis(5));
    number
}

#[app::test]
async fn a_container_that_ends_fails_only_the_calls_that_ran_in_it() {
    let results = exit_at_or_sleep::starmap((0..100).map(|n| (n, 50)))
        .collect()
        .await;
    let failed: Vec<_> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!((1..=4).contains(&failed.len()), "{failed:?}");
    assert!(failed.iter().all(|e| e.kind() == CallErrorKind::Died));
    assert!(results[50].is_err());
}

/// Ends its container when a mark is gone. Another process of the container holds the mark, and so until the first one has ended.
#[app::function(image = DEBIAN, max_containers = 1, volumes = { "/marks": MARKS })]
fn end_when_idle(mark: &str) -> u8 {
    if !mark.is_empty() {
        let held = File::open(Path::new("/marks").join(mark)).expect("it is there");
        held.lock().expect("nobody else has it");
        let holding = Command::new("sleep").arg("1000").stdin(held).spawn();
        let mut holding = holding.expect("it is in the image");
        std::thread::spawn(move || holding.wait());
        let mark = mark.to_owned();
        std::thread::spawn(move || {
            marks::wait_until(&mark, false);
            std::process::exit(3);
        });
    }
    7
}

#[app::test]
async fn a_container_that_ended_while_it_was_idle_fails_no_call() {
    for round in 0..3 {
        let mark = Mark::new(&format!("end-{round}"));
        let held = mark.make();
        assert_eq!(end_when_idle::remote(mark.name()).await.unwrap(), 7);
        mark.remove();
        let begun = Instant::now();
        while held.try_lock().is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(end_when_idle::remote("").await.unwrap(), 7);
    }
}
