//! Functions that give many values: items as they are made, until nobody wants more.

use std::path::Path;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use image_runtime::{CallErrorKind, app};

use crate::NOTHING;

#[app::function(image = NOTHING)]
fn count_to(to: u32) -> impl Iterator<Item = u32> {
    0..to
}

/// Counts up without end, and notes how far it is; or tells only what it noted.
#[app::function(image = NOTHING, max_containers = 1, concurrency = 2)]
fn count_up(name: &str, tell: bool) -> impl Iterator<Item = u32> + use<> {
    let path = Path::new("/dev/shm").join(name);
    let mut next = 0..;
    let mut told = false;
    std::iter::from_fn(move || {
        if tell {
            let noted = std::fs::read_to_string(&path).ok()?.parse().ok();
            return noted.filter(|_| !std::mem::replace(&mut told, true));
        }
        let number = next.next()?;
        std::fs::write(&path, number.to_string()).expect("there is room");
        Some(number)
    })
}

async fn made(name: &str) -> u32 {
    let items = count_up::stream(name, true).try_collect().await;
    items.expect("it runs beside the other")[0]
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
    let mut items = count_up::stream("ahead", false);
    for number in 0..30 {
        let item = items.next().await.expect("it is endless");
        assert_eq!(item.expect("it works"), number);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ahead = made("ahead").await;
    assert!((30..60).contains(&ahead), "{ahead}");
    // Where it waits for nobody, and where it is at work.
    drop(items);
    let mut at_work = count_up::stream("at-work", false);
    assert!(at_work.next().await.is_some());
    drop(at_work);
    tokio::time::sleep(Duration::from_millis(200)).await;
    for name in ["ahead", "at-work"] {
        let then = made(name).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(made(name).await, then);
    }
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
