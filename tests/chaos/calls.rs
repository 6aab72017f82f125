//! Calls whose containers are killed at random instants: none is lost, none is made twice that may be made once only.

use std::collections::HashMap;
use std::fs;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::kills::{Dice, number};
use crate::left;
use crate::world::World;

/// How many containers are killed.
pub(crate) const KILLS: &str = "IMAGE_CHAOS_KILLS";

/// Calls of a kind for each container that is killed.
pub(crate) const CALLS: usize = 30;

#[test]
fn calls_whose_containers_are_killed_are_made_once_and_none_is_lost() {
    let Some(world) = World::new() else { return };
    let (mut dice, kills) = (Dice::new(), number(KILLS).unwrap_or(20));
    let count = usize::try_from(kills).unwrap() * CALLS;
    world.good(&["build", "SYSTEM"]);
    let mut command = world.command(&[]);
    let mut program = command
        .env("CHAOS_CALLS", count.to_string())
        .spawn()
        .unwrap();
    let (said, printed) = (reader(program.stdout.take()), reader(program.stderr.take()));
    let mut killed = 0;
    while program.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(dice.next() % 30_000));
        let containers = containers(&program);
        if killed < kills && !containers.is_empty() {
            let container = containers[dice.below(containers.len())];
            // It may have ended meanwhile.
            killed += u64::from(kill_process(container, Signal::KILL).is_ok());
        }
    }
    let (said, printed) = (said.join().unwrap(), printed.join().unwrap());
    assert!(program.wait().unwrap().success(), "{printed}");

    let forms = world.forms();
    let form = forms[0].file_name().unwrap();
    let volumes = world.store().join("volumes").join(form);
    let begun = fs::read_to_string(volumes.join("marks/begun")).unwrap();
    let mut figures = Figures {
        killed,
        ..Figures::default()
    };
    figures.count(count, &said, &begun, |error, is_retried| {
        error == "Died" && !is_retried
    });
    left::nothing(&world);
    eprintln!("{figures:?}");
}

/// Counts what happened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) killed: u64,
    good: usize,
    /// Calls that say that what they ran on died.
    failed: usize,
    /// Calls that were made again, as they asked for.
    again: usize,
    lost: usize,
}

impl Figures {
    /// Counts what was `said` of so many calls of each kind, and which of them have `begun`: each is told once, and none began
    /// twice that was not to be made again.
    pub(crate) fn count(
        &mut self,
        count: usize,
        said: &str,
        begun: &str,
        may_fail: impl Fn(&str, bool) -> bool,
    ) {
        let mut times = HashMap::<usize, usize>::new();
        for number in begun.lines() {
            *times.entry(number.parse().unwrap()).or_default() += 1;
        }
        let mut is_told = vec![false; 3 * count + count / 20];
        for line in said.lines() {
            let (number, result) = line.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            assert!(
                !std::mem::replace(&mut is_told[number], true),
                "{number} was told twice"
            );
            let begun = times.get(&number).copied().unwrap_or_default();
            let is_retried = (2 * count..3 * count).contains(&number);
            assert!(
                begun <= 1 || is_retried,
                "{number} began {begun} times: {result}"
            );
            self.again += begun.saturating_sub(1);
            if result.parse() == Ok(number) {
                assert!(begun >= 1, "{number} never began");
                self.good += 1;
            } else {
                assert!(may_fail(result, is_retried), "{number}: {result}");
                self.failed += 1;
            }
        }
        let lost = is_told.iter().filter(|told| !**told).count();
        self.lost += lost;
        assert_eq!(lost, 0, "{self:?}");
    }
}

/// The first processes of the containers of a program.
fn containers(program: &Child) -> Vec<Pid> {
    let children = format!("/proc/{0}/task", program.id());
    let threads = fs::read_dir(children).into_iter().flatten().flatten();
    let children = threads.flat_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let pids: Vec<i32> = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        pids
    });
    let is_container = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let spaces = status.lines().find(|line| line.starts_with("NSpid:"));
        spaces.is_some_and(|spaces| spaces.split_whitespace().count() > 2)
    };
    children
        .filter(is_container)
        .filter_map(Pid::from_raw)
        .collect()
}

pub(crate) fn reader(
    stream: Option<impl std::io::Read + Send + 'static>,
) -> std::thread::JoinHandle<String> {
    let mut stream = stream.unwrap();
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}
