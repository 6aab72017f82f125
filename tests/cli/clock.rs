//! The clock of the day is set, by an hour or by ten years, back or forth, while functions run: nothing but what is shown may depend on it,
//! and how old things are. A library before all others tells the programs another time than it is.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Program, assert_nothing_left, data, engine, engine_name, program};

/// How soon something must be seen.
const SOON: Duration = Duration::from_secs(20);

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3650 * DAY;

/// A store of its own, and a clock that can be set.
struct World {
    folder: TempDir,
    library: PathBuf,
}

impl World {
    /// Nothing where containers or the library cannot be had here.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("clock.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &data("clock.c")])
            .status();
        let compiles = compiled.is_ok_and(|status| status.success());
        let has_all = engine() && tests::have("a C compiler, `cc`", compiles);
        let world = Self { folder, library };
        world.set(0);
        has_all.then_some(world)
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Sets the clock to so many seconds after the right time.
    fn set(&self, seconds: i64) {
        fs::write(self.clock(), seconds.to_string()).unwrap();
    }

    fn of(&self, path: &str, arguments: &[&str]) -> Program {
        program(path, arguments)
            .env("IMAGE_STORE", self.folder.path().join("store"))
            .env("LD_PRELOAD", &self.library)
            .env("WRONG_CLOCK", self.clock())
            .env("OBSERVED_CLOCK", self.clock())
    }

    fn program(&self, arguments: &[&str]) -> Program {
        self.of(env!("CARGO_BIN_EXE_observed"), arguments)
    }

    fn pruned(&self, arguments: &[&str]) -> Value {
        let arguments = [&["prune", "--json"], arguments].concat();
        self.program(&arguments).run().good().json()
    }

    /// Waits until so many containers run.
    #[track_caller]
    fn until(&self, count: usize) {
        let begun = Instant::now();
        loop {
            let seen = self.program(&["ps", "--json"]).run().good().json();
            if seen.as_array().unwrap().len() == count {
                return;
            }
            assert!(begun.elapsed() < SOON, "{seen:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn no_call_ends_early_or_late_where_the_clock_jumps() {
    let Some(world) = World::new() else { return };
    let (reader, writer) = std::io::pipe().unwrap();
    let program = world.program(&[]).env("OBSERVED_DOES", "jump");
    let mut program = program.stdin(reader).start();
    program.until("all calls ended");
    // What is idle is ended although the clock went back; one container waits for calls for a minute.
    world.until(1);
    for seconds in [-TEN_YEARS, TEN_YEARS, -6 * TEN_YEARS] {
        world.set(seconds);
        let shown = world.program(&["ps"]).run().good().stderr;
        assert!(shown.ends_with("1 container of 1 program\n"), "{shown}");
    }
    drop(writer);
    let ended = program.end().good();
    assert_eq!(ended.stdout, "TimedOut\n".repeat(5));
    assert_nothing_left(&ended);
}

#[test]
fn what_is_printed_after_the_clock_went_back_is_in_the_logs() {
    let Some(world) = World::new() else { return };
    let say = |word: &str| world.program(&["call", "say", word]).run().good();
    world.set(HOUR);
    say("\"before\"");
    world.set(0);
    let logs = world.program(&["logs", "--since", "10m"]).run().good();
    assert!(logs.stdout.contains("│ before"), "{}", logs.stdout);
    let arguments = ["logs", "--follow", "--since", "10m"];
    let mut following = world.program(&arguments).command();
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let (sender, printed) = mpsc::channel();
    let mut seen = Vec::<String>::new();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    for (seconds, word) in [(0, "before"), (-HOUR, "after"), (-TEN_YEARS, "long ago")] {
        world.set(seconds);
        if word != "before" {
            say(&format!("\"{word}\""));
        }
        seen.extend(printed.recv_timeout(SOON));
    }
    kill_process(Pid::from_child(&following), Signal::INT).unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(130));
    let seen: Vec<_> = seen.iter().map(|line| line.split(" │ ").nth(1)).collect();
    assert_eq!(seen, [Some("before"), Some("after"), Some("long ago")]);
}

#[test]
fn what_is_in_use_stays_and_all_goes_where_all_is_to_go() {
    let Some(world) = World::new() else { return };
    if !tests::is_for(
        "a store whose layers are its own",
        engine_name() == "embedded",
    ) {
        return;
    }
    world.set(TEN_YEARS);
    world.program(&["call", "say", "\"x\""]).run().good();
    world.set(0);
    assert_eq!(world.pruned(&[])["layers"], 0);
    // It counts as used then, and goes when that is long ago.
    world.set(15 * DAY);
    assert_ne!(world.pruned(&[])["layers"], 0);
    world.set(0);
    let mut holding = world.program(&["call", "hold", "1"]).start();
    holding.until("│ holding 1");
    for seconds in [TEN_YEARS, -TEN_YEARS] {
        world.set(seconds);
        assert_eq!(world.pruned(&[])["layers"], 0);
        world.until(1);
    }
    holding.signal(Signal::KILL);
    assert_nothing_left(&holding.end());
    // All is all, also what was used later than now.
    world.set(-2 * TEN_YEARS);
    let report = world.pruned(&["--all"]);
    assert!(report["layers"] != 0 && report["bundles"] != 0, "{report}");
    let left = fs::read_dir(world.folder.path().join("store/v1/logs")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn what_is_deployed_is_found_and_called_whatever_the_clock_says() {
    let Some(world) = World::new() else { return };
    let deployed = |arguments: &[&str]| {
        let ended = world.of(env!("CARGO_BIN_EXE_deployed"), arguments).run();
        ended.good()
    };
    deployed(&["deploy"]);
    for (number, seconds) in [TEN_YEARS, -TEN_YEARS, HOUR, -HOUR].into_iter().enumerate() {
        world.set(seconds);
        let ended = deployed(&["call", "count"]);
        assert_eq!(ended.json(), number + 1);
    }
    assert_nothing_left(&deployed(&["stop", "--all"]));
}
