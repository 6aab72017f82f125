//! Functions in containers that call others: all verbs work there as they do on the host, and what was asked for ends with who asked.

mod ends;
mod limits;

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::Stream;
use image_runtime::{CallError, app};

use crate::NOTHING;

#[app::function(image = NOTHING)]
fn twice(number: u64) -> u64 {
    number * 2
}

#[app::function(image = NOTHING)]
fn add(one: u64, other: u64) -> u64 {
    one + other
}

#[app::function(image = NOTHING)]
fn up_to(end: u64) -> impl Iterator<Item = u64> {
    0..end
}

/// What a call on the host gives, and the same call in a container.
fn told<T>(result: Result<T, CallError>) -> Result<T, (String, String)> {
    result.map_err(|error| (format!("{:?}", error.kind()), error.to_string()))
}

#[app::function(image = NOTHING)]
async fn double_twice(number: u64) -> Result<u64, CallError> {
    let once = twice::remote(number).await?;
    // Tasks and threads of the function may call, too.
    let twice = tokio::spawn(async move { twice::remote(once).await });
    twice.await.expect("it does not panic")
}

#[app::function(image = NOTHING)]
fn double_twice_blocking(number: u64) -> Result<u64, CallError> {
    let once = twice::remote(number).blocking()?;
    let thread = std::thread::spawn(move || twice::remote(once).blocking());
    thread.join().expect("it does not panic")
}

#[app::test]
async fn a_function_calls_another_one() {
    assert_eq!(double_twice::remote(5).await.unwrap(), 20);
    assert_eq!(double_twice_blocking::remote(5).await.unwrap(), 20);
    // In several containers at once, all of one pool.
    let all = double_twice::map(0..40).try_collect().await.unwrap();
    assert_eq!(all, (0..40).map(|n| n * 4).collect::<Vec<_>>());
}

#[app::function(image = NOTHING)]
fn sum_of_doubles(count: u64) -> Result<u64, CallError> {
    twice::map(0..count).blocking().sum()
}

#[app::function(image = NOTHING)]
async fn many(count: u64) -> Result<(u64, u64, usize), CallError> {
    let added = add::starmap((0..count).map(|n| (n, 1)));
    let added: u64 = added.try_collect().await?.into_iter().sum();
    let mut doubled = twice::map_stream(futures_util::stream::iter(0..count)).unordered();
    let mut sum = 0;
    while let Some(number) = doubled.next().await {
        sum += number?;
    }
    // One that is left half-way ends.
    let mut left = twice::map(0..);
    let first = left.next().await.expect("there are more")?;
    Ok((added, sum, usize::from(first == 0)))
}

#[app::test]
async fn a_function_maps_another_one() {
    assert_eq!(sum_of_doubles::remote(1000).await.unwrap(), 999_000);
    assert_eq!(many::remote(100).await.unwrap(), (5050, 9900, 1));
    let sums = sum_of_doubles::map((0..8).map(|_| 50)).try_collect();
    assert_eq!(sums.await.unwrap(), [2450; 8]);
}

#[app::function(image = NOTHING)]
fn stream_inside(count: u64) -> Result<Vec<u64>, CallError> {
    let mut endless = up_to::stream(u64::MAX).blocking();
    let first = endless.next().expect("there are more")?;
    drop(endless);
    let all: Result<Vec<_>, _> = up_to::stream(count).blocking().collect();
    Ok(vec![first, all?.into_iter().sum()])
}

#[app::function(image = NOTHING)]
async fn doubles(count: u64) -> impl Stream<Item = Result<u64, CallError>> {
    futures_util::StreamExt::then(futures_util::stream::iter(0..count), twice::remote)
}

#[app::test]
async fn a_function_streams_from_another_one() {
    assert_eq!(stream_inside::remote(1000).await.unwrap(), [0, 499_500]);
    let items = doubles::stream(50).try_collect().await.unwrap();
    assert_eq!(items, (0..50).map(|n| n * 2).collect::<Vec<_>>());
}

/// Counts its own calls.
struct Tally(u64);

#[app::cls(image = NOTHING, max_containers = 1)]
impl Tally {
    #[enter]
    fn new(start: u64) -> Result<Self, CallError> {
        Ok(Self(twice::remote(start).blocking()?))
    }

    #[method]
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    #[method]
    fn next_after(&self) -> Result<u64, String> {
        let next = Tally::handle(self.0 / 2).next.remote().blocking();
        next.map_err(|error| error.to_string())
    }
}

#[app::function(image = NOTHING)]
async fn tally(start: u64) -> Result<Vec<u64>, CallError> {
    let tally = Tally::handle(start);
    let mut all = vec![tally.next.remote().await?];
    all.extend(tally.next.map([(), ()]).try_collect().await?);
    Ok(all)
}

/// Whose state needs itself.
struct Selfish;

#[app::cls(image = NOTHING)]
impl Selfish {
    #[enter]
    fn new() -> Result<Self, CallError> {
        Self::handle().name.remote().blocking()?;
        Ok(Self)
    }

    #[method]
    fn name(&self) -> String {
        "selfish".into()
    }
}

#[app::test]
async fn a_function_calls_methods_and_what_makes_a_state_calls_functions() {
    assert_eq!(tally::remote(50).await.unwrap(), [101, 102, 103]);
    // The state is the host's: the same for all who ask.
    assert_eq!(tally::remote(50).await.unwrap(), [104, 105, 106]);
    let error = Tally::handle(7).next_after.remote().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`Tally.next` was not called: it would wait for ever"),
        "{text}"
    );
    let error = Selfish::handle().name.remote().await.unwrap_err();
    let text = error.to_string();
    for says in [
        "needs the state of its class",
        "`Selfish.new` → `Selfish.name`",
        "help:",
    ] {
        assert!(text.contains(says), "{text}");
    }
}

#[app::function(image = NOTHING)]
fn end_badly(how: &str) -> Result<(), String> {
    match how {
        "return" => Err("out of luck".into()),
        "panic" => panic!("all is lost"),
        "exit" => std::process::exit(7),
        _ => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
    }
}

fn call_badly(how: &str) -> image_runtime::Call<()> {
    match how {
        "sleep" => end_badly::remote(how).timeout(Duration::from_millis(300)),
        _ => end_badly::remote(how),
    }
}

#[app::function(image = NOTHING)]
async fn told_inside(how: &str) -> (String, String) {
    told(call_badly(how).await).expect_err("it fails")
}

#[app::test]
async fn errors_come_back_as_they_are() {
    for how in ["return", "panic", "exit", "sleep"] {
        let (kind, text) = told(call_badly(how).await).expect_err("it fails");
        let inside = told_inside::remote(how).await.unwrap();
        assert_eq!(inside.0, kind);
        // A backtrace holds more than the place.
        let first = |text: &str| text.lines().next().map(ToOwned::to_owned);
        assert_eq!(first(&inside.1), first(&text), "{}", inside.1);
    }
}

/// What tells a container from all others: it has its own.
fn container() -> String {
    static OWN: LazyLock<String> = LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/random/uuid").expect("the kernel has numbers")
    });
    OWN.clone()
}

/// Whose methods call each other where they run.
struct Pair;

#[app::cls(image = NOTHING, max_containers = 1, concurrency = 2)]
impl Pair {
    #[enter]
    fn new() -> Self {
        Self
    }

    #[method]
    fn one(&self) -> Result<[String; 2], CallError> {
        Ok([container(), Self::handle().other.remote().blocking()?])
    }

    #[method]
    fn other(&self) -> String {
        container()
    }
}

#[app::test]
async fn a_method_calls_another_one_of_the_same_state() {
    let [one, other] = Pair::handle().one.remote().await.unwrap();
    assert_eq!(one, other);
}
