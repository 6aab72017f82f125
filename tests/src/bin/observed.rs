//! A program that others look at while it runs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image_runtime::{Image, app, image};

const NOTHING: Image = image!(scratch());

/// With the layers of the other one.
const ALSO: Image = image!(NOTHING.env({ "ALSO": "1" }));

#[app::function(image = ALSO)]
fn also() {}

/// Catches its own panic.
#[app::function(image = NOTHING)]
fn catch() -> bool {
    std::panic::catch_unwind(|| panic!("caught in time")).is_err()
}

/// Prints a text.
#[app::function(image = NOTHING)]
fn say(text: String) {
    println!("{text}");
}

/// Leaves a thread running that prints a text.
#[app::function(image = NOTHING)]
fn leave(text: String) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        println!("{text}");
    });
}

/// May use more than any machine has.
#[app::function(image = NOTHING, cpu = 4096.0)]
fn want() {}

/// Ends its container without a word.
#[app::function(image = NOTHING)]
fn end() {
    std::process::exit(7);
}

/// Prints what it must not show.
#[app::function(image = NOTHING, secrets = [Secret::from_env("IMAGE_TESTS_TOKEN")])]
fn tell() {
    println!(
        "<{}>",
        std::env::var("IMAGE_TESTS_TOKEN").unwrap_or_default()
    );
}

/// Goes on until it is ended.
#[app::function(image = NOTHING, max_containers = 2)]
fn hold(number: u32) {
    eprintln!("holding {number}");
    std::thread::sleep(Duration::from_secs(1000));
}

/// Takes a while.
#[app::function(image = NOTHING, idle_timeout = "300ms", timeout = "1m")]
fn nap() {
    println!("napping");
    std::thread::sleep(Duration::from_millis(500));
}

/// One after the other.
#[app::function(image = NOTHING, max_containers = 1)]
fn count_off(number: u32) {
    println!("counted {number}");
    std::thread::sleep(Duration::from_millis(50));
}

/// Fails every other time.
#[app::function(image = NOTHING, max_containers = 1, retries(max = 1, initial_delay = "300ms"))]
fn fail_at_first() -> Result<(), String> {
    static HAS_FAILED: AtomicBool = AtomicBool::new(false);
    match HAS_FAILED.fetch_xor(true, Ordering::SeqCst) {
        true => Ok(()),
        false => Err("once more".into()),
    }
}

/// Calls that wait, run, are tried again and meet their time limit while the clock of this program is set.
fn calls_while_the_clock_jumps(clock: &str) {
    for seconds in [TEN_YEARS, -3600, 3600, -TEN_YEARS, 0] {
        let (napping, failing) = (nap::spawn(), fail_at_first::spawn());
        let limit = Duration::from_millis(700);
        let holding = std::thread::spawn(move || hold::remote(0).timeout(limit).blocking());
        std::thread::sleep(Duration::from_millis(200));
        std::fs::write(clock, seconds.to_string()).expect("it can be written");
        napping.get_blocking().expect("it has time enough");
        failing.get_blocking().expect("it is tried again");
        let held = holding.join().expect("no panic");
        println!("{:?}", held.expect_err("it never ends").kind());
    }
}

/// In seconds.
const TEN_YEARS: i64 = 10 * 365 * 24 * 60 * 60;

/// Its first container never becomes ready.
struct Reluctant;

#[app::cls(image = NOTHING, volumes = { "/tried": Volume::from_name("image-runtime-tests-tried") })]
impl Reluctant {
    #[enter]
    fn new() -> Self {
        let tried = Path::new("/tried/once");
        if !tried.exists() {
            std::fs::write(tried, "").expect("there is room");
            println!("making up its mind");
            std::thread::sleep(Duration::from_secs(1000));
        }
        Self
    }

    #[method]
    fn ready(&self) -> String {
        "ready at last".to_owned()
    }
}

#[app::main]
async fn main() {
    match std::env::var("OBSERVED_DOES").as_deref() {
        Ok("idle") => {
            also::remote().await.expect("doing nothing works");
            let said = say::remote("hello".to_owned()).await;
            said.expect("saying works");
            std::io::stdin()
                .read_line(&mut String::new())
                .expect("somebody writes a line");
        }
        Ok("leave") => {
            let left = leave::remote("late".to_owned()).await;
            left.expect("leaving works");
            std::io::stdin()
                .read_line(&mut String::new())
                .expect("somebody writes a line");
        }
        Ok("end") => {
            for is_spawned in [false, true] {
                // In a container that starts for it, then in one that is there.
                for _ in 0..2 {
                    let said = say::remote("before".to_owned()).await;
                    said.expect("saying works");
                }
                let ended = match is_spawned {
                    true => end::spawn().get().await,
                    false => end::remote().await,
                };
                println!("{}", ended.expect_err("it ends"));
            }
        }
        Ok("many") => {
            for number in 0..5 {
                let said = say::remote(number.to_string()).await;
                said.expect("saying works");
            }
            let said = say::map((5..25).map(|number: u32| number.to_string()));
            said.try_collect().await.expect("saying works");
        }
        Ok("hold") => {
            for held in hold::map(0..4).collect().await {
                let error = held.expect_err("it is ended before it returns");
                println!("{:?}: {error}", error.kind());
            }
            say::remote("after".to_owned())
                .await
                .expect("the program goes on");
        }
        Ok("at once") => {
            let calls: Vec<_> = (0..5)
                .map(|number| say::spawn(number.to_string()))
                .collect();
            for call in calls {
                call.get().await.expect("saying works");
            }
        }
        Ok("count off") => {
            for counted in count_off::map(0..40).collect().await {
                let outcome = counted.map_err(|error| error.kind());
                println!("{outcome:?}");
            }
        }
        Ok("jump") => {
            let clock = std::env::var("OBSERVED_CLOCK").expect("it is said");
            calls_while_the_clock_jumps(&clock);
            eprintln!("all calls ended");
            // It waits for a line that never comes.
            std::io::stdin()
                .read_line(&mut String::new())
                .expect("somebody writes a line");
        }
        Ok("ask") => {
            let word = Reluctant::handle().ready.remote().await;
            println!("{}", word.expect("another container is ready"));
        }
        _ => {}
    }
}
