//! Functions that go on running without the program that started them: `deploy`, `serve`, and what tests of one build share. Each test has a
//! store of its own: only what it has deployed itself is in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_runtime::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, assert_nothing_left, copy_program, engine, engine_name, program};

/// How soon what has ended must be gone.
const SOON: Duration = Duration::from_secs(20);

struct World(TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn program(&self, arguments: &[&str]) -> Program {
        self.of(Path::new(env!("CARGO_BIN_EXE_deployed")), arguments)
    }

    fn of(&self, path: &Path, arguments: &[&str]) -> Program {
        program(path.to_str().unwrap(), arguments).env("IMAGE_STORE", self.0.path())
    }

    /// What a call gives, and who was asked.
    fn call(&self, arguments: &[&str]) -> (Value, String) {
        let arguments = [&["call"], arguments].concat();
        let ended = self.program(&arguments).run().good();
        assert_nothing_left(&ended);
        (ended.json(), ended.stderr)
    }

    /// Deploys; answers the number of the supervisor.
    fn deploy(&self) -> i32 {
        let report = self.program(&["deploy", "--json"]).run().good().json();
        i32::try_from(report["pid"].as_i64().unwrap()).unwrap()
    }

    /// Another build of the program.
    fn other_build(&self) -> PathBuf {
        let mut bytes = fs::read(env!("CARGO_BIN_EXE_deployed")).unwrap();
        let note = b"\x14\0\0\0\x03\0\0\0GNU\0";
        let at = bytes.windows(note.len()).position(|window| window == note);
        bytes[at.unwrap() + note.len()] ^= 0xff;
        let path = self.0.path().join("other");
        fs::write(&path, bytes).unwrap();
        let executable = fs::metadata(env!("CARGO_BIN_EXE_deployed")).unwrap();
        fs::set_permissions(&path, executable.permissions()).unwrap();
        path
    }
}

fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits for the end of a process.
#[track_caller]
fn until_gone(pid: i32) {
    let begun = Instant::now();
    while is_there(pid) {
        assert!(begun.elapsed() < SOON, "process {pid} goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_deployed_is_called_by_all_runs_until_it_is_stopped() {
    if !engine() {
        return;
    }
    let world = World::new();
    // Without a body, `main` deploys.
    let ended = world.program(&[]).run().good();
    let words = "`kept` is deployed with 6 functions (process ";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    for word in [
        "warning: `know` cannot be called: the secret `IMAGE_TESTS_OF_DEPLOYED` is missing",
        "help: set `IMAGE_TESTS_OF_DEPLOYED` in the environment of this program, and `deploy` again",
        "deployed call FUNCTION",
        "deployed ps",
        "deployed stop kept",
    ] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
    let (first, said) = world.call(&["count"]);
    assert_eq!(first, 1);
    assert!(
        said.contains("calls go to `kept`, which is deployed (process "),
        "{said}"
    );
    assert!(said.contains("│ call 1"), "{said}");
    assert_eq!(world.call(&["count"]).0, 2);
    for number in 8..10 {
        let (next, said) = world.call(&["Counter.next", "[7]"]);
        assert_eq!(next, number);
        // Who waits for the state hears what is printed while it is made.
        assert_eq!(said.contains("│ starting at 7"), number == 8, "{said}");
    }
    let ended = world.program(&["call", "fail"]).run();
    assert_eq!(
        ended.with(1, &[]).stderr.lines().last(),
        Some("error: as was wished")
    );

    // It has the environment of the process that was deployed.
    let knowing = world.program(&["call", "know"]);
    let ended = knowing.env("IMAGE_TESTS_OF_DEPLOYED", "four").run();
    let said = ended
        .with(1, &["the secret `IMAGE_TESTS_OF_DEPLOYED` is missing"])
        .stderr;
    let help = said.lines().last().unwrap();
    assert!(
        help.contains("functions of `kept` see the secrets that its process"),
        "{said}"
    );

    // One that goes leaves its stream.
    let mut ticking = world.program(&["call", "tick"]).start();
    ticking.until("│ tick 2");
    // Only who has called hears what is printed.
    let (_, said) = world.call(&["count"]);
    assert!(!said.contains("tick"), "{said}");
    ticking.signal(Signal::INT);
    assert_eq!(ticking.end().code, Some(130));

    let seen = world.program(&["ps"]).run().good().stderr;
    assert!(seen.contains("`kept` is deployed (process "), "{seen}");
    assert!(seen.contains(" deployed ("), "{seen}");
    let logs = world.program(&["logs", "count"]).run().good().stdout;
    assert!(logs.contains("│ call 3"), "{logs}");
    let logs = world.program(&["logs", "kept"]).run().good().stdout;
    for line in ["│ call 3", "│ tick 1"] {
        assert!(logs.contains(line), "{logs}");
    }
    let stopped = world.program(&["stop", "kept"]).run().good();
    let words = "`kept` is not deployed any more";
    assert!(stopped.stderr.contains(words), "{}", stopped.stderr);
    assert_nothing_left(&stopped);
    // Classes have had their last word.
    let logs = world.program(&["logs", "Counter"]).run().good().stdout;
    assert!(logs.contains("│ leaving at 9"), "{logs}");
    let (again, said) = world.call(&["count"]);
    assert_eq!(again, 1);
    assert!(!said.contains("deployed"), "{said}");
    world.program(&["stop", "kept"]).run().with(1, &["`kept`"]);
}

#[test]
fn a_new_deployment_takes_the_place_of_the_old_one_and_cuts_no_call() {
    if !engine() {
        return;
    }
    let world = World::new();
    let first = world.deploy();
    let other = world.other_build();
    let ended = world.of(&other, &["call", "count"]).run().good();
    assert_eq!(ended.json(), 1);
    let words = format!("calls run here: `kept` is deployed as another build (process {first})");
    assert!(ended.stderr.contains(&words), "{}", ended.stderr);

    let mut ticking = world.program(&["call", "tick"]).start();
    ticking.until("│ tick 0");
    let ended = world.of(&other, &["deploy", "--json"]).run().good().json();
    assert_eq!(ended["replaced"], json!([first]));
    let second = i32::try_from(ended["pid"].as_i64().unwrap()).unwrap();
    ticking.until("│ tick 9");
    assert!(is_there(first) && is_there(second));
    ticking.signal(Signal::INT);
    ticking.end();
    until_gone(first);
    let ended = world.of(&other, &["call", "count"]).run().good();
    assert!(
        ended.stderr.contains("calls go to `kept`"),
        "{}",
        ended.stderr
    );
    let stopped = world.program(&["stop", "--all", "--json"]).run().good();
    assert_eq!(stopped.json()["ended_apps"], json!(["kept"]));
    until_gone(second);
    assert_nothing_left(&stopped);
}

#[test]
fn of_deployments_at_the_same_time_one_stays() {
    if !engine() {
        return;
    }
    let world = World::new();
    let deploying: Vec<_> = (0..4)
        .map(|_| world.program(&["deploy", "--json"]).start())
        .collect();
    let pids: Vec<_> = deploying
        .into_iter()
        .map(|deploying| deploying.end().good().json()["pid"].as_i64().unwrap())
        .map(|pid| i32::try_from(pid).unwrap())
        .collect();
    let begun = Instant::now();
    while pids.iter().filter(|pid| is_there(**pid)).count() > 1 {
        assert!(begun.elapsed() < SOON, "several go on");
        std::thread::sleep(Duration::from_millis(20));
    }
    let stopped = world.program(&["stop", "kept"]).run().good();
    pids.into_iter().for_each(until_gone);
    assert_nothing_left(&stopped);
}

#[test]
fn a_supervisor_that_was_killed_leaves_nothing_and_calls_go_on_without_it() {
    if !engine() {
        return;
    }
    let world = World::new();
    let pid = world.deploy();
    let mut ticking = world.program(&["call", "tick"]).start();
    ticking.until("│ tick 1");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let ended = ticking.end();
    let words = "error: `tick` has no result: the supervisor makes no more calls for it";
    let ended = ended.with(1, &[words, "help: "]);
    assert_nothing_left(&ended);
    assert_eq!(world.call(&["count"]).0, 1);
}

#[test]
fn a_call_with_retries_is_made_again_where_its_supervisor_was_killed_but_not_where_it_was_stopped()
{
    if !engine() {
        return;
    }
    let world = World::new();
    let pid = world.deploy();
    let mut lingering = world.program(&["call", "linger"]).start();
    lingering.until("│ lingering");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let ended = lingering.end().good();
    assert_eq!(ended.json(), 7);
    assert_eq!(ended.stderr.matches("│ lingering").count(), 2);
    assert_nothing_left(&ended);

    world.deploy();
    let mut lingering = world.program(&["call", "linger"]).start();
    lingering.until("│ lingering");
    world.program(&["stop", "kept"]).run().good();
    let ended = lingering.end().with(1, &["error: `linger` was cancelled"]);
    assert_eq!(ended.stderr.matches("│ lingering").count(), 1);
    assert_nothing_left(&ended);
}

#[test]
fn calls_that_were_not_begun_go_on_elsewhere_where_their_supervisor_was_killed() {
    if !engine() {
        return;
    }
    let world = World::new();
    let observed = |arguments: &[&str]| {
        let program = Path::new(env!("CARGO_BIN_EXE_observed"));
        world.of(program, arguments).env("IMAGE_TESTS_TOKEN", "")
    };
    let report = observed(&["deploy", "--json"]).run().good().json();
    let pid = i32::try_from(report["pid"].as_i64().unwrap()).unwrap();
    let mut counting = observed(&[]).env("OBSERVED_DOES", "count off").start();
    counting.until("│ counted 9");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let ended = counting.end().good();
    let outcomes: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(outcomes.len(), 40, "{}", ended.stderr);
    let lost = outcomes.iter().filter(|line| **line != "Ok(())").count();
    // That one or those which it had heard of.
    assert!((1..10).contains(&lost), "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .all(|line| ["Ok(())", "Err(Engine)"].contains(line))
    );
    for number in 0..40 {
        let counted = format!("│ counted {number}\n");
        assert!(
            ended.stderr.matches(&counted).count() <= 1,
            "{}",
            ended.stderr
        );
    }
    assert_nothing_left(&ended);
}

#[test]
fn a_supervisor_that_cannot_be_started_is_told_and_leaves_nothing() {
    // All stores of a daemon have the same layers, and this one must not be there.
    let is_embedded = engine() && engine_name() == "embedded";
    if !tests::is_for("a store whose layers are its own", is_embedded) {
        return;
    }
    let world = World::new();
    let copy = world.0.path().join("deployed");
    copy_program(env!("CARGO_BIN_EXE_deployed"), &copy);
    // It waits for a layer that somebody else seems to make.
    let elsewhere = World::new();
    let built = elsewhere.program(&["build", "--json"]).run().good().json();
    let layer = built[0]["layer"].as_str().unwrap();
    let locks = Store::at(world.0.path()).unwrap().locks();
    let lock = locks.try_lock(&format!("layer-{layer}")).unwrap().unwrap();
    let mut deploying = world.of(&copy, &["deploy"]).start();
    deploying.until("another process");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    drop(lock);
    let ended = deploying.end();
    let words = [
        "error: the supervisor, which is this program once more in the background, cannot be started: Permission denied",
        "help: `serve` does the same in the foreground",
    ];
    assert_nothing_left(&ended.with(1, &words));
}

#[test]
fn of_two_programs_that_share_containers_one_is_killed_and_the_other_goes_on() {
    if !engine() {
        return;
    }
    let world = World::new();
    world.deploy();
    let mut ticking = world.program(&["call", "tick"]).start();
    ticking.until("│ tick 1");
    assert_eq!(world.call(&["count"]).0, 1);
    ticking.signal(Signal::KILL);
    ticking.end();
    assert_eq!(world.call(&["count"]).0, 2);
    // What only the killed one waited for ends.
    let ticks = || world.program(&["logs", "tick"]).run().good().stdout;
    let (begun, mut before) = (Instant::now(), ticks());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = ticks();
        if now == before {
            break;
        }
        assert!(begun.elapsed() < SOON, "{now}");
        before = now;
    }
    let stopped = world.program(&["stop", "--all"]).run().good();
    assert_nothing_left(&stopped);
}

#[test]
fn what_is_served_is_always_the_program_as_it_is_now() {
    if !engine() {
        return;
    }
    let world = World::new();
    let path = world.0.path().join("deployed");
    copy_program(env!("CARGO_BIN_EXE_deployed"), &path);
    let mut serving = world.of(&path, &["serve"]).start();
    serving.until("serving `kept` with 6 functions");
    let (first, said) = world.call(&["count"]);
    assert_eq!(first, 1);
    assert!(said.contains("calls go to `kept`"), "{said}");
    serving.until("│ call 1");
    let other = world.other_build();
    fs::rename(&other, &path).unwrap();
    serving.until("the program was built again");
    let begun = Instant::now();
    loop {
        let ended = world.of(&path, &["call", "count"]).run().good();
        assert_eq!(ended.json(), 1);
        if ended.stderr.contains("calls go to `kept`") {
            break;
        }
        assert!(begun.elapsed() < SOON, "{}", ended.stderr);
    }
    serving.signal(Signal::TERM);
    let ended = serving.end();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    assert_nothing_left(&ended);
}

#[test]
fn who_serves_as_the_second_takes_the_place_of_the_first_and_both_say_so() {
    if !engine() {
        return;
    }
    let world = World::new();
    let serve = || {
        let serving = world.program(&["serve"]);
        serving.env("IMAGE_TESTS_OF_DEPLOYED", "four").start()
    };
    let mut first = serve();
    first.until("serving `kept` with 6 functions\n");
    let mut ticking = world.program(&["call", "tick"]).start();
    ticking.until("│ tick 1");
    let mut second = serve();
    second.until("serving `kept` with 6 functions, in place of process ");
    first.until("another process keeps `kept` running now: this one ends when its calls have");
    assert_eq!(world.call(&["know"]).0, 4);
    // It still makes the calls that it has.
    ticking.until("│ tick 9");
    ticking.signal(Signal::INT);
    ticking.end();
    let first = first.end().good();
    assert_nothing_left(&first);
    assert!(!first.stderr.contains("warning"), "{}", first.stderr);
    second.signal(Signal::TERM);
    assert_nothing_left(&second.end());
}
