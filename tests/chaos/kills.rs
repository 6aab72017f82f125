//! Programs that are killed at random instants.

use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::left;
use crate::world::{World, ended};

/// How often, and with which random numbers.
const ROUNDS: &str = "IMAGE_CHAOS_ROUNDS";
const SEED: &str = "IMAGE_CHAOS_SEED";

/// What is killed.
const WORK: [&[&str]; 6] = [
    &["build"],
    &["build", "--no-cache"],
    &["call", "made"],
    &["call", "copied"],
    &["call", "sleep", "100000"],
    &["prune", "--all"],
];

#[test]
fn whatever_is_killed_at_whatever_instant_loses_and_leaves_nothing() {
    let Some(world) = World::new() else { return };
    let rounds = number(ROUNDS).unwrap_or(25);
    let mut dice = Dice::new();
    let mut figures = Figures::default();

    world.write_new();
    let begin = Instant::now();
    world.answers();
    let whole = begin.elapsed();
    for round in 0..rounds {
        let said = one_round(&world, &mut dice, whole, &mut figures);
        if std::env::var_os("IMAGE_CHAOS_TELL").is_some() {
            eprintln!("{round}: {said}");
        }
    }
    world.answers();
    left::nothing(&world);
    world.good(&["doctor", "--verify"]);
    eprintln!("{figures:?}");
}

/// Counts what happened.
#[derive(Debug, Default)]
struct Figures {
    killed: usize,
    interrupted: usize,
    ended_before: usize,
    with_what_clears_up: usize,
    beside_another: usize,
}

fn one_round(world: &World, dice: &mut Dice, whole: Duration, figures: &mut Figures) -> String {
    if dice.below(3) > 0 {
        world.write_new();
    }
    let work = WORK[dice.below(WORK.len())];
    let signal = [Signal::KILL, Signal::KILL, Signal::TERM, Signal::INT][dice.below(4)];
    // As often in the first thousandth of the work as in its second half.
    let micros = u64::try_from(whole.as_micros()).unwrap() >> dice.below(10);
    let delay = Duration::from_micros(dice.next() % micros);
    // Another one builds at the same time, and takes over.
    let other = (dice.below(5) == 0).then(|| world.start(&["build"]));
    let all = signal == Signal::KILL && dice.below(4) == 0;

    let program = world.start(work);
    std::thread::sleep(delay);
    send(&program, signal);
    if all && other.is_none() {
        left::kill_marked(world);
        figures.with_what_clears_up += 1;
    }
    let text = format!(
        "{work:?} {signal:?} after {delay:?}, alone: {}, all: {all}",
        other.is_none()
    );
    let (code, said) = ended(program);
    match (code, signal) {
        (None, Signal::KILL) => figures.killed += 1,
        // Before it listens to signals, they end it.
        (None, _) => figures.killed += 1,
        (Some(130), Signal::INT) | (Some(143), Signal::TERM) => {
            assert!(said.ends_with("interrupted\n"), "{text}: {said}");
            figures.interrupted += 1;
        }
        (Some(0), _) => figures.ended_before += 1,
        (Some(code), _) => panic!("{text}: {code}: {said}"),
    }
    if let Some(other) = other {
        let (code, said) = ended(other);
        assert!(code == Some(0), "{text}: the other: {said}");
        figures.beside_another += 1;
    }
    if all {
        left::nobody(world);
        world.answers();
    }
    left::nothing(world);
    text
}

fn send(program: &Child, signal: Signal) {
    kill_process(Pid::from_child(program), signal).unwrap();
}

/// A number that the environment says.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Random numbers that can be repeated: xorshift.
pub(crate) struct Dice(u64);

impl Dice {
    /// Begins with the seed that the environment says, or a new one, which is told.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = number(SEED).unwrap_or(now.unwrap().as_secs());
        eprintln!("{SEED}={seed}");
        Self(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

#[test]
fn a_store_that_is_deleted_when_a_program_has_ended_stays_deleted() {
    let Some(world) = World::new() else { return };
    world.answers();
    let deleted = std::fs::remove_dir_all(world.store());
    left::nobody(&world);
    // What clears up may have been in the middle of it, but makes nothing.
    if deleted.is_err() {
        std::fs::remove_dir_all(world.store()).unwrap();
    }
    assert!(!world.store().exists());
}
