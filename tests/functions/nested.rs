//! Functions in containers that call others: all verbs work there as they do on the host, and what was asked for ends with who asked.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures_util::Stream;
use futures_util::future::join_all;
use image_runtime::{CallError, CallErrorKind, Volume, app};

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
fn climb(level: u32, top: u32) -> Result<u32, String> {
    if level == top {
        return Ok(level);
    }
    let above = climb::remote(level + 1, top).blocking();
    above.map_err(|error| format!("{:?}: {error}", error.kind()))
}

#[app::test]
async fn calls_may_be_sixteen_deep_and_no_deeper() {
    assert_eq!(climb::remote(1, 16).await.unwrap(), 16);
    let error = climb::remote(1, 17).await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Returned);
    let text = error.to_string();
    for says in [
        "Engine: `climb` was not called: no more than 16 calls",
        "these are 17",
        "`climb` → `climb`",
        "without `::remote`",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(climb::remote(9, 9).await.unwrap(), 9);
}

#[app::function(image = NOTHING, max_containers = 1)]
fn alone(again: u32) -> Result<u32, String> {
    match again {
        0 => Ok(0),
        again => told(alone::remote(again - 1).blocking())
            .map_err(|(kind, text)| format!("{kind}: {text}")),
    }
}

#[app::function(image = NOTHING, max_containers = 2)]
fn in_pairs(again: u32) -> Result<u32, CallError> {
    // Both are there before either calls again.
    std::thread::sleep(Duration::from_millis(300));
    match again {
        0 => Ok(0),
        again => Ok(in_pairs::remote(again - 1).blocking()? + 1),
    }
}

#[app::function(image = NOTHING, max_containers = 1, concurrency = 2)]
fn side_by_side(again: u32) -> Result<u32, CallError> {
    match again {
        0 => Ok(0),
        again => Ok(side_by_side::remote(again - 1).blocking()? + 1),
    }
}

#[app::function(image = NOTHING, max_containers = 1)]
fn there(comes_back: bool) -> Result<u32, CallError> {
    Ok(if comes_back {
        and_back::remote().blocking()? + 1
    } else {
        0
    })
}

#[app::function(image = NOTHING, max_containers = 1)]
fn and_back() -> Result<u32, CallError> {
    there::remote(false).blocking()
}

/// Calls itself, and waits for that only after it was told of it in another way.
#[app::function(image = NOTHING, max_containers = 1)]
fn wait_late() -> Result<u32, String> {
    let again = alone::spawn(0);
    let own = wait_late_too::spawn();
    again.get_blocking().map_err(|error| error.to_string())?;
    own.get_blocking().map_err(|error| error.to_string())
}

#[app::function(image = NOTHING, max_containers = 1)]
fn wait_late_too() -> Result<u32, String> {
    wait_late::remote()
        .blocking()
        .map_err(|error| error.to_string())
}

#[app::test]
async fn a_call_that_would_wait_for_itself_is_told_so() {
    for error in [
        alone::remote(1).await.unwrap_err(),
        there::remote(true).await.unwrap_err(),
        wait_late::remote().await.unwrap_err(),
    ] {
        let text = error.to_string();
        for says in [
            "it would wait for ever",
            "the only call that can run",
            "max_containers",
        ] {
            assert!(text.contains(says), "{text}");
        }
    }
    assert!(
        alone::remote(1)
            .await
            .unwrap_err()
            .to_string()
            .starts_with("Engine: `alone`")
    );
    assert_eq!(side_by_side::remote(1).await.unwrap(), 1);
    assert!(side_by_side::remote(2).await.is_err());
    // One of two makes room for the other.
    let pair = join_all([in_pairs::spawn(1).get(), in_pairs::spawn(1).get()]).await;
    assert!(pair.iter().any(Result::is_ok), "{pair:?}");
    assert_eq!(in_pairs::remote(1).await.unwrap(), 1);
}

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

#[app::function(image = NOTHING, env = { "POOL": "crowd" })]
fn nap() -> String {
    std::thread::sleep(Duration::from_millis(20));
    container()
}

#[app::function(image = NOTHING, env = { "POOL": "crowd" })]
fn nap_elsewhere() -> Result<[String; 2], CallError> {
    Ok([container(), nap::remote().blocking()?])
}

#[app::test]
async fn calls_that_wait_for_others_do_not_fill_the_machine_with_containers() {
    let calls: Vec<_> = (0..100).map(|_| nap_elsewhere::spawn()).collect();
    let mut containers = HashSet::new();
    for call in calls {
        containers.extend(call.get().await.unwrap());
    }
    let cores = std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    assert!(containers.len() <= 4 * cores, "{}", containers.len());
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
