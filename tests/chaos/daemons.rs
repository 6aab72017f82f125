//! A Docker daemon that is killed at random instants, and started again on what it left: no call is lost, none is made twice that may
//! be made once only, and every layer that is there is whole. And programs that are killed while it lives, or hangs: it keeps none of
//! their containers.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tests::daemon::Daemon;

use crate::calls::{CALLS, Figures, KILLS, reader};
use crate::kills::{Dice, number};
use crate::left;
use crate::world::World;

/// Room for the layers of many rounds.
const MEGABYTES: u32 = 4000;

/// Calls of a kind for each kill: they take about as long as the starts of their containers.
const COUNT: usize = 10 * CALLS;

/// What runs in every other round; calls in those between.
const WORK: [&[&str]; 5] = [
    &["build"],
    &["build", "--no-cache"],
    &["call", "made"],
    &["prune", "--all"],
    // The daemon ends its container when it is there again.
    &["call", "sleep", "100000"],
];

/// What an error says of a daemon that went away, or that ended the container.
const SAYS_SO: [&str; 2] = ["cannot reach Docker", "the worker ended with signal 9"];

/// How soon a program must have ended when the daemon runs again.
const ENDED: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_lost_or_left_where_the_daemon_dies() {
    let Some((mut daemon, world)) = World::on_a_daemon(MEGABYTES) else {
        return;
    };
    let (mut dice, kills) = (Dice::new(), number(KILLS).unwrap_or(3));
    let mut rounds = Rounds::default();

    world.write_new();
    let begin = Instant::now();
    world.good(&["build"]);
    let build = begin.elapsed();
    let begin = Instant::now();
    program(&world, None).output().unwrap();
    let calls = begin.elapsed();
    for kill in 0..kills {
        let (work, whole) = match kill % 2 {
            0 => (None, calls),
            _ => (Some(WORK[dice.below(WORK.len())]), build),
        };
        let said = rounds.next(&world, &mut daemon, &mut dice, work, whole);
        tell(kill, &said);
        left::nothing_at(&world, &daemon);
        // The next run finds whole layers, and makes those that are missing.
        world.answers();
        left::nothing_at(&world, &daemon);
    }
    eprintln!("{rounds:?}");
}

#[test]
fn nothing_is_left_at_a_daemon_of_programs_that_are_killed() {
    let Some((daemon, world)) = World::on_a_daemon(MEGABYTES) else {
        return;
    };
    let (mut dice, kills) = (Dice::new(), number(KILLS).unwrap_or(6));
    world.write_new();
    let begin = Instant::now();
    world.answers();
    let whole = u64::try_from(begin.elapsed().as_micros()).unwrap();
    for kill in 0..kills {
        if dice.below(3) > 0 {
            world.write_new();
        }
        let work = WORK[dice.below(WORK.len())];
        let delay = Duration::from_micros(dice.next() % whole);
        // What the program has asked for is done, if at all, when it is no more.
        let hangs = Duration::from_millis([0, 20, 3000][dice.below(3)]);
        let mut program = program(&world, Some(work)).spawn().unwrap();
        std::thread::sleep(delay);
        if !hangs.is_zero() {
            daemon.hang();
            std::thread::sleep(Duration::from_millis(dice.next() % 10));
        }
        program.kill().unwrap();
        let is_clean = dice.below(4) > 0;
        if !is_clean {
            left::kill_marked(&world);
        }
        program.wait().unwrap();
        std::thread::sleep(hangs);
        daemon.go_on();
        tell(
            kill,
            &format!("{work:?} after {delay:?}, hangs {hangs:?}, clears up: {is_clean}"),
        );
        if !is_clean {
            left::nobody(&world);
            world.answers();
        }
        left::nothing_at(&world, &daemon);
    }
}

fn tell(round: u64, said: &str) {
    if std::env::var_os("IMAGE_CHAOS_TELL").is_some() {
        eprintln!("{round}: {said}");
    }
}

/// Counts what happened.
#[derive(Debug, Default)]
struct Rounds {
    calls: Figures,
    /// Builds and the like that ended well all the same.
    good: usize,
    /// Those that say that the daemon went away.
    failed: usize,
}

impl Rounds {
    /// Kills the daemon while something runs, and starts it again; answers what it did.
    fn next(
        &mut self,
        world: &World,
        daemon: &mut Daemon,
        dice: &mut Dice,
        work: Option<&[&str]>,
        whole: Duration,
    ) -> String {
        let marks = daemon
            .data()
            .join("volumes/image-runtime-volume-marks/_data/begun");
        // There is none before the first call.
        let _ = fs::remove_file(&marks);
        if work.is_some() && dice.below(3) > 0 {
            world.write_new();
        }
        let delay = Duration::from_micros(dice.next() % u64::try_from(whole.as_micros()).unwrap());
        let down = Duration::from_millis(dice.next() % 1000);
        let mut program = program(world, work).spawn().unwrap();
        let (said, printed) = (reader(program.stdout.take()), reader(program.stderr.take()));
        std::thread::sleep(delay);
        daemon.kill();
        self.calls.killed += 1;
        std::thread::sleep(down);
        daemon.start_again().unwrap();
        let code = code(&mut program);
        let (said, printed) = (said.join().unwrap(), printed.join().unwrap());
        let text = format!(
            "{work:?}, killed after {delay:?} of {whole:?} for {down:?}: {code:?}: {printed}"
        );
        match (work, code) {
            (None, Some(0)) => {
                let begun = fs::read_to_string(&marks).unwrap_or_default();
                self.calls.count(COUNT, &said, &begun, |error, _| {
                    ["Died", "Engine"].contains(&error)
                });
            }
            (Some(_), Some(0)) => self.good += 1,
            (Some(_), Some(1)) if SAYS_SO.iter().any(|words| printed.contains(words)) => {
                self.failed += 1;
            }
            _ => panic!("{text}"),
        }
        text
    }
}

/// A program that does some work, or makes calls.
fn program(world: &World, work: Option<&[&str]>) -> Command {
    let mut command = world.command(work.unwrap_or_default());
    if work.is_none() {
        command.env("CHAOS_CALLS", COUNT.to_string());
    }
    command
}

/// How a program ends.
#[track_caller]
fn code(program: &mut Child) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < ENDED {
        if let Some(status) = program.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    program.kill().unwrap();
    panic!("the program waits for what never comes");
}
