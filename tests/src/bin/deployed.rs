//! A program that does nothing itself: its functions are kept running.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use image_runtime::{Image, app, image};

const NOTHING: Image = image!(scratch());

app::config! { name = "kept", image = NOTHING }

static CALLS: AtomicU32 = AtomicU32::new(0);

/// How many calls its container has had.
#[app::function(min_containers = 1, max_containers = 1)]
fn count() -> u32 {
    let count = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    println!("call {count}");
    count
}

/// Counts slowly, for long.
#[app::function]
fn tick() -> impl Iterator<Item = u32> {
    (0..6000).inspect(|number| {
        println!("tick {number}");
        std::thread::sleep(Duration::from_millis(100));
    })
}

#[app::function]
fn fail() -> Result<(), String> {
    Err("as was wished".into())
}

#[app::function(secrets = [Secret::from_env("IMAGE_TESTS_OF_DEPLOYED")], min_containers = 1)]
fn know() -> usize {
    std::env::var("IMAGE_TESTS_OF_DEPLOYED").map_or(0, |secret| secret.len())
}

/// Takes its time, and may be made again.
#[app::function(retries(max = 1, initial_delay = "10ms"))]
fn linger() -> u32 {
    println!("lingering");
    std::thread::sleep(Duration::from_secs(2));
    7
}

struct Counter(u32);

#[app::cls]
impl Counter {
    #[enter]
    fn new(start: u32) -> Self {
        println!("starting at {start}");
        Self(start)
    }

    #[method]
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }

    #[exit]
    fn bye(&mut self) {
        println!("leaving at {}", self.0);
    }
}

#[app::main]
fn main();
