//! A program that is killed: its images have layers of every kind, and need nothing from the network. What they copy is
//! written by the test.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use image_runtime::{CallError, Image, Volume, app, image};

/// A shell and a few programs, without a layer below.
const SYSTEM: Image = image!(scratch().copy_local_dir("chaos/data/system", "/"));
const COPIED: Image = image!(
    SYSTEM
        .copy_local_dir("chaos/data/changing", "/changing")
        .copy_local_dir("chaos/data/changing", "/changing/again")
);
const MADE: Image = image!(
    COPIED
        .run_commands(
            "mkdir /made; cat /changing/text > /made/text; head -c 3000000 /dev/zero > /made/zeroes"
        )
        .run_commands("cat /made/text /changing/again/text > /made/twice; rm /made/zeroes")
);

#[app::function(image = COPIED)]
fn copied() -> String {
    read("/changing/text")
}

/// What all layers together say.
#[app::function(image = MADE)]
fn made() -> String {
    let zeroes = std::path::Path::new("/made/zeroes").exists();
    format!(
        "{} {} {zeroes}",
        read("/changing/text"),
        read("/made/twice")
    )
}

#[app::function(image = SYSTEM)]
fn sleep(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

/// What calls have begun.
const MARKS: Volume = Volume::from_name("marks");

/// Says that a call begins.
fn mark(number: u32) {
    let marks = File::options()
        .create(true)
        .append(true)
        .open("/marks/begun");
    // In one piece: others write there, too.
    let line = format!("{number}\n");
    let marked = marks.and_then(|mut marks| marks.write_all(line.as_bytes()));
    marked.expect("there is room");
}

/// At most once.
#[app::function(image = SYSTEM, volumes = { "/marks": MARKS }, max_containers = 3)]
fn once(number: u32) -> u32 {
    mark(number);
    std::thread::sleep(Duration::from_millis(3));
    number
}

/// At least once.
#[app::function(image = SYSTEM, volumes = { "/marks": MARKS }, max_containers = 2, retries = 1000)]
fn until_done(number: u32) -> u32 {
    mark(number);
    std::thread::sleep(Duration::from_millis(3));
    number
}

/// So many items, of which the first is marked.
#[app::function(image = SYSTEM, volumes = { "/marks": MARKS }, max_containers = 2)]
fn items(number: u32, count: u32) -> impl Iterator<Item = u32> {
    mark(number);
    (0..count).inspect(|_| std::thread::sleep(Duration::from_millis(1)))
}

/// Makes so many calls of each kind at the same time, and says what became of each.
fn many(count: u32) {
    let say = |number: u32, result: Result<u32, CallError>| match result {
        Ok(value) => println!("{number} {value}"),
        Err(error) => println!("{number} {:?}", error.kind()),
    };
    let mapped = || {
        let results = once::map(0..count).blocking();
        (0..count)
            .zip(results)
            .for_each(|(number, result)| say(number, result));
    };
    let spawned = || {
        let handles: Vec<_> = (count..2 * count).map(once::spawn).collect();
        for (number, handle) in (count..).zip(handles) {
            say(number, handle.get_blocking());
        }
    };
    let retried = || {
        let results = until_done::map(2 * count..3 * count).blocking();
        (2 * count..)
            .zip(results)
            .for_each(|(number, result)| say(number, result));
    };
    let streamed = || {
        for number in 3 * count..3 * count + count / 20 {
            let mut result = Ok(number);
            for (place, item) in (0..).zip(items::stream(number, 20).blocking()) {
                match item {
                    Ok(item) => assert_eq!(item, place),
                    Err(error) => result = Err(error),
                }
            }
            say(number, result);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(mapped);
        scope.spawn(spawned);
        scope.spawn(retried);
        scope.spawn(streamed);
    });
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}"))
}

#[app::main]
fn main() {
    if let Some(count) = std::env::var("CHAOS_CALLS")
        .ok()
        .and_then(|count| count.parse().ok())
    {
        many(count);
    }
}
