//! What runs is seen, ended and read of from outside: `ps`, `stop`, `logs`. Each test has a store of its own: `stop` must not end the
//! containers of others.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use image_runtime::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Program, assert_nothing_left, engine, program};

/// How soon something must be seen from outside.
const SOON: Duration = Duration::from_secs(20);

struct World(TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn program(&self, arguments: &[&str]) -> Program {
        program(env!("CARGO_BIN_EXE_observed"), arguments)
            .env("IMAGE_STORE", self.0.path())
            .env("IMAGE_TESTS_TOKEN", "a token")
    }

    fn ps(&self) -> Vec<Value> {
        let listed = self.program(&["ps", "--json"]).run().good().json();
        listed.as_array().unwrap().clone()
    }

    /// Waits until `ps` shows what is wanted.
    #[track_caller]
    fn until(&self, is_wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let seen = self.ps();
            if is_wanted(&seen) {
                return seen;
            }
            assert!(begun.elapsed() < SOON, "{seen:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn logs(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [&["logs", "--json"], arguments].concat();
        let ended = self.program(&arguments).run().good();
        let lines = ended.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn ps_shows_what_runs_and_nothing_of_programs_that_have_ended() {
    if !engine() {
        return;
    }
    let world = World::new();
    assert_eq!(world.ps(), Vec::<Value>::new());
    let ended = world.program(&["ps"]).run().good();
    assert_eq!(ended.stderr, "no container runs\n");

    let mut busy = world.program(&["call", "hold", "7"]).start();
    busy.until("│ holding 7");
    let mut idle = world.program(&[]).env("OBSERVED_DOES", "idle");
    // It waits for a line that never comes.
    let (reader, _writer) = std::io::pipe().unwrap();
    idle = idle.stdin(reader);
    let mut idle = idle.start();
    idle.until("│ hello");
    // What has printed its line may still be busy.
    let seen = world.until(|seen| {
        let count = |state| seen.iter().filter(|one| one["state"] == state).count();
        count("idle") == 2 && count("busy") == 1
    });
    for (function, image, state, pid) in [
        ("hold", "NOTHING", "busy", busy.pid()),
        ("say", "NOTHING", "idle", idle.pid()),
        ("also", "ALSO", "idle", idle.pid()),
    ] {
        let one = seen.iter().find(|one| one["function"] == function);
        let one = one.unwrap_or_else(|| panic!("{seen:#?}"));
        let of = |name: &str| &one[name];
        assert_eq!(
            (of("state"), of("pid"), of("image"), of("program")),
            (
                &json!(state),
                &json!(pid),
                &json!(image),
                &json!("observed")
            )
        );
    }
    let text = world.program(&["ps"]).run().good().stderr;
    assert!(text.starts_with("CONTAINER  "), "{text}");
    assert!(text.ends_with("3 containers of 2 programs\n"), "{text}");

    // One that does not answer is told, and keeps nobody from seeing the others.
    idle.signal(Signal::STOP);
    let ended = world.program(&["ps", "--json"]).run();
    let words = format!("warning: process {} does not answer", idle.pid());
    let ended = ended.with(0, &[&words]);
    assert_eq!(ended.json().as_array().unwrap().len(), 1);
    idle.signal(Signal::CONT);
    for program in [busy, idle] {
        program.signal(Signal::KILL);
        assert_nothing_left(&program.end());
    }
    assert_eq!(world.ps(), Vec::<Value>::new());
}

#[test]
fn a_container_that_is_stopped_fails_its_call_which_says_who_did_it() {
    if !engine() {
        return;
    }
    let world = World::new();
    let mut program = world.program(&["call", "hold", "1"]).start();
    program.until("│ holding 1");
    let seen = world.until(|seen| seen.len() == 1);
    let name = seen[0]["container"].as_str().unwrap();
    let stopped = world.program(&["stop", name]).run().good();
    assert_eq!(stopped.stderr, "ended 1 container\n");
    let words = format!("error: `hold` was cancelled: `observed stop {name}` (process ");
    let ended = program.end().with(1, &[&words, ") ended its container\n"]);
    assert_nothing_left(&ended);

    let again = world.program(&["stop", name]).run();
    again.with(1, &["help: `ps` lists the containers that run"]);
    let function = world.program(&["stop", "hold"]).run().good();
    assert_eq!(function.stderr, "no container runs `hold`\n");
    let neither = world.program(&["stop"]).run().with(2, &[]);
    assert!(neither.stderr.contains("<NAME>"), "{}", neither.stderr);
    let all = world.program(&["stop", "--all", "--json"]).run().good();
    assert_eq!(all.json(), json!({ "stopped": [], "cancelled_calls": 0 }));
}

#[test]
fn a_container_that_is_stopped_before_it_is_ready_leaves_its_calls_to_another() {
    if !engine() {
        return;
    }
    let world = World::new();
    // A daemon keeps it beside all stores.
    let forget = || {
        let arguments = ["volume", "delete", "image-runtime-tests-tried"];
        world.program(&arguments).run()
    };
    forget();
    let mut program = world.program(&[]).env("OBSERVED_DOES", "ask").start();
    program.until("│ making up its mind");
    let seen = world.until(|seen| seen.len() == 1);
    let name = seen[0]["container"].as_str().unwrap();
    let stopped = world.program(&["stop", name]).run().good();
    assert_eq!(stopped.stderr, "ended 1 container\n");
    let ended = program.end().good();
    assert_eq!(ended.stdout, "ready at last\n");
    assert_nothing_left(&ended);
    forget().good();
}

#[test]
fn downloads_stay_while_something_is_built() {
    if !engine() {
        return;
    }
    let world = World::new();
    let store = Store::at(world.0.path()).unwrap();
    store.downloads().write("there", b"1").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kept = runtime.block_on(store.keep_downloads()).unwrap();
    let pruned = world.program(&["prune", "--all"]).run().good();
    let words = "kept downloads, which a build may need";
    assert!(pruned.stderr.contains(words), "{}", pruned.stderr);
    let report = world.program(&["prune", "--all", "--json"]).run().good();
    assert_eq!(report.json()["downloads_in_use"], true);
    assert!(store.downloads().path().join("there").exists());
    drop(kept);
    let report = world.program(&["prune", "--all", "--json"]).run().good();
    assert_eq!(report.json()["downloads_in_use"], false);
    assert!(!store.downloads().path().join("there").exists());
}

#[test]
fn calls_at_the_same_time_look_for_what_is_deployed_once() {
    if !engine() {
        return;
    }
    let world = World::new();
    world.program(&["deploy"]).run().good();
    let calls = world.program(&[]).env("OBSERVED_DOES", "at once");
    let said = calls.run().good().stderr;
    assert_eq!(said.matches("calls go to `").count(), 1, "{said}");
    for number in 0..5 {
        assert!(said.contains(&format!("│ {number}")), "{said}");
    }
    let stopped = world.program(&["stop", "--all"]).run().good();
    assert_nothing_left(&stopped);
}

#[test]
fn what_runs_nothing_is_stopped_already_and_a_name_of_nothing_is_told_with_those_like_it() {
    let world = World::new();
    let stop = |name: &str| {
        let stop = program(env!("CARGO_BIN_EXE_subject"), &["stop", name]);
        stop.env("IMAGE_STORE", world.0.path()).run()
    };
    for name in ["counter", "counter.add", "add"] {
        let ended = stop(name).good();
        assert_eq!(ended.stderr, format!("no container runs `{name}`\n"));
    }
    let ended = stop("countr").with(1, &[]);
    insta::assert_snapshot!(ended.stderr, @r"
    error: no container that runs, no app that is deployed, and no function or class is called `countr`
      help: did you mean one of `counter`, `counter.add`?
      help: `ps` lists the containers that run
    ");
    let ended = stop("nope").with(1, &[]);
    insta::assert_snapshot!(ended.stderr, @r"
    error: no container that runs, no app that is deployed, and no function or class is called `nope`
      help: this program has `add`, `counter`, `counter.add`, `fail`, `in_broken`, `in_debian`, `print_lines`, `relay`, `sleep`
      help: `ps` lists the containers that run
    ");
}

#[test]
fn a_function_that_is_stopped_ends_everywhere_and_its_program_goes_on() {
    if !engine() {
        return;
    }
    for arguments in [
        &["stop", "hold", "--json"][..],
        &["stop", "--all", "--json"],
    ] {
        let world = World::new();
        let mut program = world.program(&[]).env("OBSERVED_DOES", "hold").start();
        program.until("│ holding 0");
        program.until("│ holding 1");
        world.until(|seen| seen.len() == 2);
        let report = world.program(arguments).run().good().json();
        assert_eq!(report["stopped"].as_array().unwrap().len(), 2, "{report}");
        assert_eq!(report["cancelled_calls"], 2, "{report}");
        let ended = program.end().good();
        let results: Vec<_> = ended.stdout.lines().collect();
        assert_eq!(results.len(), 4, "{results:?}");
        for result in results {
            let begins = result.starts_with("Cancelled: `hold` was cancelled");
            assert!(begins && result.contains(" stop "), "{result}");
        }
        assert!(ended.stderr.contains("│ after"), "{}", ended.stderr);
        assert_nothing_left(&ended);
    }
}

#[test]
fn a_panic_that_its_function_catches_is_printed_as_it_would_be_anywhere() {
    if !engine() {
        return;
    }
    let world = World::new();
    let ended = world.program(&["call", "catch"]).run().good();
    assert_eq!(ended.stdout, "true\n");
    let said = ended.stderr;
    assert!(said.contains("│ panicked at "), "{said}");
    assert_eq!(said.matches("│ caught in time").count(), 1, "{said}");
}

#[test]
fn what_functions_printed_can_be_read_when_their_program_has_ended() {
    if !engine() {
        return;
    }
    let world = World::new();
    assert!(world.logs(&[]).is_empty());
    world
        .program(&["call", "say", "\"one\\ntwo\""])
        .run()
        .good();
    let told = world.program(&["call", "tell"]).run().good();
    assert!(told.stderr.contains("│ <***>"), "{}", told.stderr);
    let mut killed = world.program(&["call", "hold", "3"]).start();
    killed.until("│ holding 3");
    killed.signal(Signal::KILL);
    let killed = killed.end();

    let lines = world.logs(&[]);
    let printed: Vec<_> = lines
        .iter()
        .map(|line| (line["function"].as_str().unwrap(), &line["line"]))
        .collect();
    assert_eq!(
        printed,
        [
            ("say", &json!("one")),
            ("say", &json!("two")),
            ("tell", &json!("<***>")),
            ("hold", &json!("holding 3")),
        ]
    );
    assert_eq!(lines[3]["program"], "observed");
    let container = lines[2]["container"].as_str().unwrap();
    assert_eq!(world.logs(&[container]), lines[2..3]);
    assert_eq!(world.logs(&["say", "--since", "1h"]), lines[..2]);
    assert!(world.logs(&["say", "--since", "0s"]).is_empty());
    let text = world.program(&["logs", "say"]).run().good().stdout;
    let first = text.lines().next().unwrap();
    assert!(
        first.contains("Z say/") && first.ends_with(" │ one"),
        "{text}"
    );
    let ended = world.program(&["logs", "nope"]).run().with(1, &[]);
    insta::assert_snapshot!(ended.stderr, @r"
    error: nothing is kept of a function or container `nope`
      help: this program has 13 such names: `functions` lists them
      help: `logs` without a name shows all that is
    ");
    for nonsense in ["soon", "-1m", "10", "+2h", "--follow"] {
        let ended = world.program(&["logs", "--since", nonsense]).run();
        ended.with(2, &["a time is a whole number with a unit: `30s`, `10m`"]);
    }

    assert_nothing_left(&killed);
    let report = world.program(&["prune", "--json"]).run().good().json();
    assert_eq!(report["logs"], 0, "{report}");
    // Of 15 days ago. `--all` would take the layers of a daemon from the tests that run beside this one.
    let then = SystemTime::now() - Duration::from_secs(15 * 24 * 60 * 60);
    for log in std::fs::read_dir(world.0.path().join("v1/logs")).unwrap() {
        let log = File::open(log.unwrap().path()).unwrap();
        log.set_modified(then).unwrap();
    }
    let report = world.program(&["prune", "--json"]).run().good().json();
    assert_eq!(report["logs"], 3, "{report}");
    assert!(world.logs(&[]).is_empty());
}

#[test]
fn what_a_function_has_left_running_is_heard_while_nothing_is_called() {
    if !engine() {
        return;
    }
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let leaving = world.program(&[]).env("OBSERVED_DOES", "leave");
    let mut leaving = leaving.stdin(reader).start();
    leaving.until("│ late");
    let lines = world.logs(&["leave"]);
    assert_eq!(lines[0]["line"], "late", "{lines:#?}");
    drop(writer);
    leaving.end().good();
}

#[test]
fn a_container_that_ends_shows_what_the_call_printed_and_nothing_of_calls_before() {
    if !engine() {
        return;
    }
    let world = World::new();
    let ended = world.program(&[]).env("OBSERVED_DOES", "end").run().good();
    assert!(ended.stderr.contains("│ before"), "{}", ended.stderr);
    let died = ended.stdout.matches("exit code 7").count();
    assert_eq!(died, 2, "{}", ended.stdout);
    assert!(!ended.stdout.contains("before"), "{}", ended.stdout);
}

#[test]
fn logs_that_are_followed_go_on_with_what_is_printed() {
    if !engine() {
        return;
    }
    let world = World::new();
    let mut command = world.program(&["logs", "--follow"]).command();
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    for word in ["first", "second"] {
        let argument = format!("\"{word}\"");
        world.program(&["call", "say", &argument]).run().good();
        let line = lines.next().unwrap().unwrap();
        assert!(line.ends_with(&format!(" │ {word}")), "{line}");
    }
    kill_process(Pid::from_child(&following), Signal::INT).unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(130));
}

#[test]
fn where_the_time_of_calls_went_is_told_when_that_was_asked_for() {
    if !engine() {
        return;
    }
    let world = World::new();
    let ended = world.program(&["call", "say", "\"x\"", "--timings"]).run();
    let ended = ended.good();
    assert_eq!(ended.stdout, "null\n");
    let table: Vec<_> = ended.stderr.lines().rev().take(3).collect();
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(
        words(table[2]),
        [
            "FUNCTION",
            "CALLS",
            "QUEUE",
            "TRANSFER",
            "RUN",
            "RETURN",
            "STARTS",
            "START",
            "HANDSHAKE"
        ]
    );
    assert_eq!(words(table[1])[..2], ["say", "1"], "{}", ended.stderr);
    // Each call is counted once, however it was made.
    let program = || world.program(&[]).env("OBSERVED_DOES", "many");
    let ended = program().env("IMAGE_TIMINGS", "1").run().good();
    let row = ended.stderr.lines().rev().nth(1).unwrap();
    assert_eq!(words(row)[..2], ["say", "25"], "{}", ended.stderr);
    assert!(!row.contains('–'), "{row}");
    let ended = program().run().good();
    assert!(!ended.stderr.contains("HANDSHAKE"), "{}", ended.stderr);
}

#[test]
fn spans_are_printed_where_that_is_asked_for() {
    if !engine() {
        return;
    }
    let world = World::new();
    let call = || world.program(&["call", "say", "\"x\""]);
    let ended = call().env("RUST_LOG", "image_runtime=info").run().good();
    assert_eq!(ended.stdout, "null\n");
    for words in [
        " INFO container.start{purpose=call say layer=",
        " INFO call{function=say image=NOTHING container=",
        " INFO image.build{image=NOTHING}",
    ] {
        assert!(ended.stderr.contains(words), "`{words}`: {}", ended.stderr);
    }
    for quiet in ["error", "", ","] {
        let ended = call().env("RUST_LOG", quiet).run().good();
        assert!(!ended.stderr.contains("INFO"), "{}", ended.stderr);
    }
}

#[test]
fn a_limit_beyond_what_the_machine_has_is_said_once_and_keeps_nobody_from_calling() {
    if !engine() {
        return;
    }
    let ended = World::new().program(&["call", "want"]).run();
    // Where no limit can be kept, the call says that.
    assert!(ended.code == Some(0) || ended.stderr.contains("limit cannot be kept"));
    let said = "`want` has `cpu = 4096.0`, and this machine has ";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
}
