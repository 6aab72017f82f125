//! Many calls: maps, their order, their failures, their back-pressure.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use image_runtime::{CallErrorKind, app};

use crate::NOTHING;
use crate::marks::{self, MARKS, Mark};

#[app::function(image = NOTHING)]
fn square(number: u64) -> u64 {
    number * number
}

#[app::function(image = NOTHING)]
async fn late(milliseconds: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    milliseconds
}

/// Whether it has waited for a mark.
#[app::function(image = NOTHING, volumes = { "/marks": MARKS })]
fn waits(mark: &str) -> bool {
    !mark.is_empty() && marks::wait_until(mark, true)
}

#[app::function(image = NOTHING)]
fn length(text: &str) -> usize {
    text.len()
}

#[app::function(image = NOTHING)]
fn repeat(text: &str, times: usize) -> String {
    text.repeat(times)
}

#[app::function(image = NOTHING)]
fn only_even(number: u32) -> anyhow::Result<u32> {
    match number % 2 {
        0 => Ok(number),
        _ => anyhow::bail!("{number} is odd"),
    }
}

#[app::function(image = NOTHING)]
fn exit_at(number: u32, at: u32) -> u32 {
    if number == at {
        std::process::exit(3);
    }
    number
}

#[app::test]
async fn a_map_gives_results_in_the_order_of_its_inputs() {
    let squares = square::map(0..1000).try_collect().await.expect("it works");
    assert_eq!(squares, (0..1000).map(|n| n * n).collect::<Vec<_>>());
    let late = late::map([60, 30, 0])
        .try_collect()
        .await
        .expect("it works");
    assert_eq!(late, [60, 30, 0]);
    assert_eq!(square::map([]).collect().await.len(), 0);
}

#[app::test]
async fn an_unordered_map_gives_results_as_they_come() {
    let mark = Mark::new("unordered");
    let mut results = waits::map([mark.name(), "", "", "", ""]).unordered();
    for _ in 0..4 {
        let result = results.next().await.expect("there are five");
        assert!(!result.expect("it works"));
    }
    mark.make();
    assert_eq!(results.next().await.map(Result::ok), Some(Some(true)));
    assert!(results.next().await.is_none());
}

#[app::test]
async fn a_map_takes_what_can_be_lent_as_the_parameter() {
    let words = vec![String::from("a"), String::from("bb")];
    let lengths = length::map(&words).try_collect().await;
    assert_eq!(lengths.expect("it works"), [1, 2]);
    let lengths = length::map(["ccc"]).try_collect().await;
    assert_eq!(lengths.expect("it works"), [3]);
    let repeated = repeat::starmap([("ab", 2), ("c", 3)]).try_collect().await;
    assert_eq!(repeated.expect("it works"), ["abab", "ccc"]);
    let inputs = futures_util::stream::iter(0..3);
    let squares = square::map_stream(inputs).try_collect().await;
    assert_eq!(squares.expect("it works"), [0, 1, 4]);
}

#[app::test]
fn a_map_can_be_had_without_a_runtime() {
    let squares: Result<Vec<_>, _> = square::map(0..4).blocking().collect();
    assert_eq!(squares.expect("it works"), [0, 1, 4, 9]);
}

#[app::test]
async fn one_failure_does_not_lose_the_others() {
    let results = only_even::map(0..20).collect().await;
    for (number, result) in (0..20).zip(results) {
        match result {
            Ok(even) => assert_eq!((even, even % 2), (number, 0)),
            Err(error) => assert!(error.to_string().contains(&format!("{number} is odd"))),
        }
    }
    let error = only_even::map(0..20)
        .try_collect()
        .await
        .expect_err("1 is odd");
    assert_eq!(error.kind(), CallErrorKind::Returned);
}

#[app::test]
async fn a_worker_that_dies_fails_the_input_it_ran_and_no_other() {
    // The pace is known, so that inputs are sent ahead.
    exit_at::starmap((0..500).map(|n| (n, 1000)))
        .collect()
        .await;
    let results = exit_at::starmap((0..500).map(|n| (n, 250))).collect().await;
    for (number, result) in (0..500).zip(results) {
        match result {
            Ok(same) => assert_eq!(same, number),
            Err(error) => {
                assert_eq!(error.kind(), CallErrorKind::Died, "{error}");
                assert_eq!(number, 250, "{error}");
            }
        }
    }
}

#[app::test]
async fn inputs_are_read_as_results_are_taken() {
    let read = AtomicUsize::new(0);
    let endless = (0..).inspect(|_| {
        read.fetch_add(1, Ordering::Relaxed);
    });
    let mut results = square::map(endless);
    for number in 0..10 {
        let result = results.next().await.expect("it is endless");
        assert_eq!(result.expect("it works"), number * number);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(read.load(Ordering::Relaxed) < 2000);
}

#[app::test]
async fn inputs_that_panic_end_the_map_after_the_results_of_the_earlier_ones() {
    let inputs = (0..5).map(|n| match n {
        3 => panic!("no more"),
        n => n,
    });
    let results: Vec<_> = StreamExt::collect(square::map(inputs)).await;
    assert_eq!(results.len(), 4);
    for (number, result) in results[..3].iter().enumerate() {
        assert_eq!(
            *result.as_ref().expect("it works"),
            (number * number) as u64
        );
    }
    let error = results[3].as_ref().expect_err("it panicked");
    assert_eq!(error.kind(), CallErrorKind::Panicked);
    let text = error.to_string();
    assert!(
        text.contains("`square`") && text.contains("no more") && text.contains("3"),
        "{text}"
    );
}
