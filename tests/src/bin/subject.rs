//! A program that the command line's tests start: it has images and functions, good ones and bad ones.

use image_runtime::{CallError, Image, app, image};

const NOTHING: Image = image!(scratch());
const BROKEN: Image = image!(debian_slim().run_commands("echo about to fail; exit 9"));
const DEBIAN: Image = image!(debian_slim());

/// Adds two numbers.
#[app::function(image = NOTHING)]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[app::function(image = NOTHING)]
fn fail(why: &str) -> Result<(), String> {
    Err(why.to_owned())
}

/// Prints numbered lines of one kilobyte each.
#[app::function(image = NOTHING)]
fn print_lines(count: usize) -> usize {
    for number in 0..count {
        println!("{number:01023}");
    }
    count
}

/// Nothing else can print meanwhile, and yet its container ends with this program.
#[app::function(image = NOTHING)]
fn sleep(seconds: u64) {
    use std::io::Write as _;
    let _stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "asleep").expect("somebody reads it");
    std::thread::sleep(std::time::Duration::from_secs(seconds));
}

#[app::function(image = BROKEN)]
fn in_broken() {}

#[app::function(image = DEBIAN)]
fn in_debian() {}

/// Counts from a number.
struct Counter(i64);

#[app::cls(image = NOTHING, name = "counter")]
impl Counter {
    #[enter]
    fn new(start: i64) -> Self {
        eprintln!("entering");
        Self(start)
    }

    #[method]
    fn add(&mut self, number: i64) -> i64 {
        self.0 += number;
        self.0
    }

    #[exit]
    fn bye(&mut self) {
        eprintln!("leaving at {}", self.0);
    }
}

/// Has another container sleep.
#[app::function(image = NOTHING)]
fn relay(seconds: u64) -> Result<(), CallError> {
    eprintln!("relaying");
    sleep::remote(seconds).blocking()
}

#[app::main]
fn main() {
    println!("the body of main");
    match std::env::var("SUBJECT_DOES").as_deref() {
        Ok("sleep") => sleep::remote(1000)
            .blocking()
            .expect("it is ended before it awakes"),
        Ok("wait") => {
            eprintln!("waiting");
            std::io::stdin()
                .read_line(&mut String::new())
                .expect("somebody writes a line");
            println!("{}", add::remote(2, 3).blocking().expect("adding works"));
        }
        Ok("count") => {
            let counter = Counter::handle(1);
            println!(
                "{}",
                counter.add.remote(2).blocking().expect("adding works")
            );
            std::process::exit(3);
        }
        _ => {}
    }
}
