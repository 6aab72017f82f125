//! Calls that give no result: each says what happened, and the next call works.

use std::time::Duration;

use image_runtime::{CallError, CallErrorKind, app};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{DEBIAN, NOTHING};

#[app::function(image = NOTHING)]
fn fail_with_chain() -> anyhow::Result<u8> {
    use anyhow::Context;
    Err(std::io::Error::other("the disk is shy"))
        .context("reading the weights")
        .context("training")
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a count")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[app::function(image = NOTHING)]
fn fail_with_source() -> Result<u8, Outer> {
    "x".parse().map_err(Outer)
}

#[app::function(image = NOTHING)]
fn panic_with(message: String) {
    panic!("{message}");
}

#[app::function(image = NOTHING)]
async fn panic_later() {
    tokio::task::yield_now().await;
    let nothing: Option<u8> = std::env::args().nth(1000).map(|_| 1);
    nothing.expect("there was nothing");
}

struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("while falling");
    }
}

#[app::function(image = NOTHING)]
fn panic_while_panicking() {
    let _again = PanicsAgain;
    panic!("first");
}

#[app::function(image = NOTHING)]
fn exit(code: i32) {
    println!("leaving with {code}");
    std::process::exit(code);
}

/// Leaves its process to another program.
#[app::function(image = DEBIAN)]
fn become_another() -> String {
    use std::os::unix::process::CommandExt as _;
    let error = std::process::Command::new("/bin/sleep").arg("1000").exec();
    error.to_string()
}

#[app::function(image = NOTHING)]
fn abort() {
    eprintln!("last words");
    std::process::abort();
}

#[app::function(image = NOTHING)]
fn kill_self() {
    let pid = std::process::id()
        .try_into()
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(
        pid.expect("a process has an id"),
        rustix::process::Signal::KILL,
    )
    .expect("we may");
    std::thread::sleep(Duration::from_secs(60));
}

#[app::function(image = NOTHING, timeout = "500ms")]
fn never_return() {
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[derive(Debug, Serialize)]
struct Picky(u8);

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            13 => Err(serde::de::Error::custom("13 is not welcome")),
            number => Ok(Self(number)),
        }
    }
}

#[app::function(image = NOTHING)]
fn take_picky(number: Picky) -> u8 {
    number.0
}

#[app::function(image = NOTHING)]
fn give_picky(number: u8) -> Picky {
    Picky(number)
}

/// The error of a call, and that the next call works.
async fn error_of<T: std::fmt::Debug>(
    call: impl IntoFuture<Output = Result<T, CallError>>,
) -> (CallErrorKind, String) {
    let error = call.await.expect_err("this call fails");
    assert_eq!(
        take_picky::remote(Picky(1))
            .await
            .expect("the next call works"),
        1
    );
    (error.kind(), error.to_string())
}

/// Whether all of the words are in the text, in this order.
fn holds(text: &str, words: &[&str]) -> bool {
    let mut rest = text;
    words.iter().all(|word| match rest.split_once(word) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

macro_rules! assert_error {
    ($call:expr, $kind:ident, $words:expr) => {
        let (kind, text) = error_of($call).await;
        assert_eq!(kind, CallErrorKind::$kind, "{text}");
        assert!(holds(&text, &$words), "{text}");
    };
}

#[app::test]
async fn an_error_comes_back_with_its_whole_chain() {
    assert_error!(
        fail_with_chain::remote(),
        Returned,
        ["training", "reading the weights", "the disk is shy"]
    );
    assert_error!(
        fail_with_source::remote(),
        Returned,
        ["not a count", "invalid digit"]
    );
}

#[app::test]
async fn a_panic_comes_back_with_message_place_and_backtrace() {
    assert_error!(
        panic_with::remote("at the disco".into()),
        Panicked,
        ["panic_with", "failures.rs:", "at the disco", "panic_with"]
    );
    assert_error!(
        panic_later::remote(),
        Panicked,
        ["failures.rs:", "there was nothing"]
    );
}

#[app::test]
async fn a_panic_during_a_panic_ends_the_worker_and_both_are_told() {
    assert_error!(
        panic_while_panicking::remote(),
        Died,
        ["SIGABRT", "first", "while falling"]
    );
}

#[app::test]
async fn a_worker_that_ends_tells_how_and_what_it_printed_last() {
    assert_error!(exit::remote(3), Died, ["exit code 3", "leaving with 3"]);
    assert_error!(exit::remote(0), Died, ["exit code 0"]);
    assert_error!(abort::remote(), Died, ["SIGABRT", "last words"]);
    assert_error!(kill_self::remote(), Died, ["SIGKILL"]);
}

#[app::test]
async fn a_worker_that_becomes_another_program_is_told_with_what_to_do() {
    assert_error!(
        become_another::remote(),
        Engine,
        ["goes on running", "help: ", "`exec`"]
    );
}

#[app::test]
async fn a_call_that_takes_too_long_is_ended() {
    assert_error!(
        never_return::remote(),
        TimedOut,
        ["never_return", "500ms", "timeout"]
    );
    assert_error!(
        never_return::remote().timeout(Duration::from_millis(50)),
        TimedOut,
        ["50ms"]
    );
}

#[app::test]
async fn values_that_do_not_decode_are_told_by_the_side_that_found_out() {
    assert_error!(
        take_picky::remote(Picky(13)),
        Encoding,
        ["take_picky", "arguments", "13 is not welcome"]
    );
    assert_error!(
        give_picky::remote(13),
        Encoding,
        ["give_picky", "result", "13 is not welcome"]
    );
}
