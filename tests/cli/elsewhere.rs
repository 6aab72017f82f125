//! A daemon that sees nothing of the store, as one on another machine or in a virtual one: programs are sent to it, and calls go over what is
//! attached to containers.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use image_runtime::{Image, app, image};
use rustix::process::Signal;
use tempfile::TempDir;
use tests::daemon::{Daemon, View};

use crate::support::{GONE, Program, program};

const NOTHING: Image = image!(scratch());

#[app::function(image = NOTHING)]
fn twice(bytes: Vec<u8>) -> Vec<u8> {
    println!("{} bytes", bytes.len());
    [&bytes[..], &bytes[..]].concat()
}

#[app::function(image = NOTHING)]
fn count_to(end: u32) -> impl Iterator<Item = u32> {
    (1..=end).inspect(|number| println!("counted to {number}"))
}

/// Calls another one.
#[app::function(image = NOTHING)]
fn four_times(bytes: Vec<u8>) -> Result<Vec<u8>, image_runtime::CallError> {
    let twice = twice::remote(bytes).blocking()?;
    twice::remote(twice).blocking()
}

/// Is run in a process of its own.
#[app::test]
async fn calls_of_a_test() {
    if std::env::var_os("IMAGE_TESTS_ELSEWHERE").is_none() {
        return;
    }
    let bytes = vec![7; 3_000_000];
    let answer = four_times::remote(bytes).await.expect("it works");
    assert!(answer == vec![7; 12_000_000]);
    let mut counted = count_to::stream(1000);
    let mut sum = 0;
    while let Some(number) = counted.next().await {
        sum += number.expect("it works");
    }
    assert_eq!(sum, 500_500);
    let lengths = twice::map((0..200).map(|length| vec![0; length]));
    let lengths = lengths.collect().await.into_iter();
    let all = lengths.map(|twice| twice.expect("it works").len());
    assert_eq!(all.sum::<usize>(), 39_800);
}

struct World {
    daemon: Daemon,
    store: TempDir,
}

impl World {
    /// Nothing where no daemon can be started.
    fn new(view: View) -> Option<Self> {
        let store = tempfile::tempdir().unwrap();
        match Daemon::elsewhere(800, store.path(), view) {
            Ok(daemon) => Some(Self { daemon, store }),
            Err(reason) => {
                tests::have(&format!("a Docker daemon of its own: {reason}"), false);
                None
            }
        }
    }

    fn program(&self, arguments: &[&str]) -> Program {
        program(env!("CARGO_BIN_EXE_observed"), arguments)
            .env("IMAGE_STORE", self.store.path())
            .env("IMAGE_ENGINE", "docker")
            .env("DOCKER_HOST", self.daemon.address())
    }

    /// The volumes of the daemon.
    fn volumes(&self) -> Vec<String> {
        let entries = fs::read_dir(self.daemon.data().join("volumes")).unwrap();
        let volumes = entries
            .map(Result::unwrap)
            .filter(|entry| entry.path().is_dir());
        volumes
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }

    /// No container, and only volumes that are sent once.
    #[track_caller]
    fn is_empty(&self) {
        let begun = Instant::now();
        loop {
            let mut left = self.daemon.containers();
            let volumes = self.volumes().into_iter();
            left.extend(volumes.filter(|name| !name.starts_with("image-runtime-sent-")));
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < GONE, "{left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn programs_are_sent_once_and_nothing_else_stays() {
    let Some(world) = World::new(View::Nothing) else {
        return;
    };
    for word in ["once", "and again"] {
        let said = world.program(&["call", "say", &format!("\"{word}\"")]);
        said.run().good().with(0, &[&format!("│ {word}\n")]);
        world.is_empty();
        assert_eq!(world.volumes().len(), 1);
    }
    // How a container ends is heard.
    world
        .program(&["call", "end"])
        .run()
        .with(1, &["exit code 7"]);
    // Whoever is killed leaves nothing.
    let mut holding = world.program(&["call", "hold", "1"]).start();
    holding.until("│ holding 1");
    assert_eq!(world.daemon.containers().len(), 1);
    holding.signal(Signal::KILL);
    holding.end();
    world.is_empty();
    // What is sent goes when all is to go.
    world.program(&["prune", "--all"]).run().good();
    assert!(world.volumes().is_empty(), "{:?}", world.volumes());
    calls_of_tests(&world);
    world.is_empty();
}

#[test]
fn a_daemon_that_sees_files_and_no_sockets_is_sent_nothing() {
    let Some(world) = World::new(View::Files) else {
        return;
    };
    let said = world.program(&["call", "say", "\"heard\""]).run().good();
    said.with(0, &["│ heard\n"]);
    world.is_empty();
    assert_eq!(world.volumes().len(), 0);
}

/// The harness of tests prints before a process knows that it is a worker, and has threads.
fn calls_of_tests(world: &World) {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["elsewhere::calls_of_a_test", "--exact", "--nocapture"])
        .env("IMAGE_STORE", world.store.path())
        .env("IMAGE_ENGINE", "docker")
        .env("DOCKER_HOST", world.daemon.address())
        .env("IMAGE_TESTS_ELSEWHERE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let said_before_the_end = ["│ 3000000 bytes", "│ 6000000 bytes", "│ counted to 1000"];
    for line in said_before_the_end {
        assert!(said.contains(line), "`{line}` is not in:\n{said}");
    }
}
