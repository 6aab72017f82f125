//! Functions that give many values: items as they are made, until nobody wants more.

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use image_runtime::{CallErrorKind, app};

use crate::NOTHING;

#[app::function(image = NOTHING)]
fn count_to(to: u32) -> impl Iterator<Item = u32> {
    0..to
}

/// How many items were made of the streams of a container, by their names, and whether those were dropped.
static MADE: Mutex<BTreeMap<String, (u32, bool)>> = Mutex::new(BTreeMap::new());

/// Counts up without end.
struct Counting {
    name: String,
    next: u32,
}

impl Counting {
    fn note(&self, is_dropped: bool) {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(self.name.clone(), (self.next, is_dropped));
    }
}

impl Iterator for Counting {
    type Item = (u32, bool);

    fn next(&mut self) -> Option<Self::Item> {
        self.next += 1;
        self.note(false);
        Some((self.next, false))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.note(true);
    }
}

/// Counts up, or only tells how far that is.
#[app::function(image = NOTHING, max_containers = 1, concurrency = 2)]
fn count_up(name: String, tell: bool) -> impl Iterator<Item = (u32, bool)> {
    let items: Box<dyn Iterator<Item = _> + Send> = match tell {
        true => {
            let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
            // Where there is nothing, it has ended with its container.
            Box::new(iter::once(made.get(&name).copied().unwrap_or((0, true))))
        }
        false => Box::new(Counting { name, next: 0 }),
    };
    items
}

async fn made(name: &str) -> (u32, bool) {
    let items = count_up::stream(name.to_owned(), true).try_collect().await;
    items.expect("it runs beside the other")[0]
}

async fn until_dropped(name: &str) {
    let begun = Instant::now();
    while !made(name).await.1 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[app::function(image = NOTHING)]
async fn ticks(count: u32, every: Duration) -> impl Stream<Item = u32> {
    futures_util::stream::iter(0..count).then(move |number| async move {
        tokio::time::sleep(every).await;
        number
    })
}

#[app::function(image = NOTHING)]
fn lines(text: &str) -> anyhow::Result<impl Iterator<Item = Result<u8, String>>> {
    anyhow::ensure!(!text.is_empty(), "there is no text");
    Ok(text
        .lines()
        .map(|line| line.parse().map_err(|_| format!("`{line}` is no number"))))
}

#[app::function(image = NOTHING)]
fn panic_after(count: u32) -> impl Iterator<Item = u32> {
    (0..=count).inspect(move |number| assert!(*number < count, "enough"))
}

#[app::test]
async fn items_arrive_in_order_and_all_of_them() {
    let items = count_to::stream(1000)
        .try_collect()
        .await
        .expect("it works");
    assert_eq!(items, (0..1000).collect::<Vec<_>>());
    let items: Result<Vec<_>, _> = count_to::stream(3).blocking().collect();
    assert_eq!(items.expect("it works"), [0, 1, 2]);
}

#[app::test]
async fn an_item_arrives_before_the_next_is_made() {
    let mut items = ticks::stream(1000, Duration::from_millis(50));
    assert_eq!(items.next().await.map(Result::ok), Some(Some(0)));
    assert_eq!(items.next().await.map(Result::ok), Some(Some(1)));
}

#[app::test]
async fn a_stream_makes_few_items_ahead_and_stops_when_it_is_dropped() {
    let mut items = count_up::stream("ahead".to_owned(), false);
    for number in 1..=30 {
        let item = items.next().await.expect("it is endless");
        assert_eq!(item.expect("it works"), (number, false));
    }
    // It comes to rest where nobody takes more.
    let mut ahead = 0;
    loop {
        let now = made("ahead").await.0;
        assert!((30..=60).contains(&now), "{now}");
        if std::mem::replace(&mut ahead, now) == now {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Where it waits for nobody, and where it is at work.
    drop(items);
    until_dropped("ahead").await;
    let mut at_work = count_up::stream("at-work".to_owned(), false);
    assert!(at_work.next().await.is_some());
    drop(at_work);
    until_dropped("at-work").await;
}

#[app::function(image = NOTHING)]
fn never_give(name: &str) -> impl Iterator<Item = u32> + use<> {
    std::fs::write(name, "").expect("there is room");
    std::iter::from_fn(|| {
        std::thread::sleep(Duration::from_secs(3600));
        None
    })
}

#[app::test]
async fn a_stream_that_gives_nothing_ends_with_its_container_when_it_is_dropped() {
    let mut items = never_give::stream("/here");
    let first = tokio::time::timeout(Duration::from_secs(3), items.next()).await;
    assert!(first.is_err());
    drop(items);
    let items = never_give::stream("/here").timeout(Duration::from_millis(100));
    let error = items.try_collect().await.expect_err("it gives nothing");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
}

#[app::test]
async fn a_failure_is_the_last_item() {
    let items = lines::stream("1\n2\nx\n4").collect().await;
    assert_eq!(items.len(), 3);
    assert!(items[..2].iter().all(Result::is_ok));
    let error = items[2].as_ref().expect_err("x is no number");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    assert!(error.to_string().contains("`x` is no number"), "{error}");

    let error = lines::stream("")
        .try_collect()
        .await
        .expect_err("it is empty");
    assert!(error.to_string().contains("there is no text"), "{error}");

    let items = panic_after::stream(2).collect().await;
    assert_eq!(items.len(), 3);
    let error = items[2].as_ref().expect_err("it panics");
    assert_eq!(error.kind(), CallErrorKind::Panicked);
    assert!(error.to_string().contains("enough"), "{error}");
}
