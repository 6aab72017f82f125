//! How many containers there are, what they do at once, and how long they stay.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use image_runtime::{CallErrorKind, app};

use crate::NOTHING;

/// What tells a container from all others: it has its own.
fn container() -> String {
    static OWN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("the kernel has numbers")
    });
    OWN.clone()
}

async fn pause(milliseconds: u64) -> String {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    container()
}

#[app::function(image = NOTHING, max_containers = 2)]
async fn at_most_two(milliseconds: u64) -> String {
    pause(milliseconds).await
}

#[app::function(image = NOTHING, idle_timeout = "0s")]
async fn fresh() -> String {
    container()
}

#[app::function(image = NOTHING, idle_timeout = "100ms", max_containers = 3)]
async fn short_lived(milliseconds: u64) -> String {
    pause(milliseconds).await
}

#[app::function(
    image = NOTHING,
    idle_timeout = "100ms",
    min_containers = 2,
    max_containers = 3
)]
async fn kept(milliseconds: u64) -> String {
    pause(milliseconds).await
}

#[app::function(image = NOTHING, concurrency = 8, max_containers = 1)]
fn meet(all: u32) -> u32 {
    static HERE: AtomicU32 = AtomicU32::new(0);
    HERE.fetch_add(1, Ordering::SeqCst);
    let begun = Instant::now();
    while HERE.load(Ordering::SeqCst) < all && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    HERE.load(Ordering::SeqCst)
}

#[app::function(image = NOTHING, concurrency = 4, max_containers = 1, timeout = "400ms")]
fn sleep_beside(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

#[app::function(image = NOTHING, max_containers = 4)]
async fn one_a_container(milliseconds: u64) -> String {
    pause(milliseconds).await
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
    assert_eq!(
        all((0..6).map(|_| at_most_two::remote(1000))).await.len(),
        2
    );
    let mut one = HashSet::new();
    for _ in 0..3 {
        one.insert(one_a_container::remote(0).await.expect("it works"));
    }
    assert_eq!(one.len(), 1);
}

#[app::test]
async fn calls_that_turn_out_slow_spread_over_containers() {
    // Quick at first, so that inputs would be sent ahead.
    one_a_container::map((0..200).map(|_| 0)).collect().await;
    let containers = all((0..4).map(|_| one_a_container::remote(3000))).await;
    assert_eq!(containers.len(), 4);
}

#[app::test]
async fn a_call_behind_a_slow_one_does_not_wait_for_it() {
    one_a_container::map((0..200).map(|_| 0)).collect().await;
    // Quick ones keep the pace quick while a slow one begins; those behind it are called back.
    let waits = (0..100).map(|n| if n == 50 { 4000 } else { 0 });
    let mut results = one_a_container::map(waits).unordered();
    let begun = Instant::now();
    for _ in 0..99 {
        results
            .next()
            .await
            .expect("there are more")
            .expect("it works");
    }
    let quick = begun.elapsed();
    results
        .next()
        .await
        .expect("the slow one")
        .expect("it works");
    assert!(quick * 2 < begun.elapsed(), "{quick:?}");
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

#[app::test]
async fn idle_containers_end() {
    let before = all((0..3).map(|_| short_lived::remote(3000))).await;
    assert_eq!(before.len(), 3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = short_lived::remote(0).await.expect("it works");
    assert!(!before.contains(&after));
}

#[app::test]
async fn as_many_containers_stay_as_must_be_there() {
    let before = all((0..3).map(|_| kept::remote(3000))).await;
    assert_eq!(before.len(), 3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = all((0..3).map(|_| kept::remote(3000))).await;
    assert_eq!(before.intersection(&after).count(), 2);
}

#[app::test]
async fn calls_run_at_once_in_one_container_where_that_is_allowed() {
    let met = join_all((0..8).map(|_| meet::spawn(8).get())).await;
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

#[app::function(image = NOTHING, max_containers = 1)]
fn end_when_idle(soon: bool) -> u8 {
    if soon {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            std::process::exit(3);
        });
    }
    7
}

#[app::test]
async fn a_container_that_ended_while_it_was_idle_fails_no_call() {
    for _ in 0..3 {
        assert_eq!(end_when_idle::remote(true).await.unwrap(), 7);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(end_when_idle::remote(false).await.unwrap(), 7);
    }
}
