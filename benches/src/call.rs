//! Calls: the first in a new container, and those that find it warm.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::{Row, docker, in_turn, run, time, time_of};
use crate::subject::{ENGINES, Subject};

/// Lets a daemon and a reaper end what they do after the last measurement: a first call has the machine for itself.
fn quiet() {
    std::thread::sleep(Duration::from_secs(1));
}

pub(crate) fn first_call() -> Result<Vec<Row>> {
    let image = Subject::base_image()?;
    let first = |subject: &Subject| {
        quiet();
        let calls = subject.calls()?;
        let first = calls.first;
        calls.end()?;
        Ok(first)
    };
    let mut rows = Vec::new();
    for (engine, goal) in ENGINES.into_iter().zip([1.0 / 60.0, 1.3]) {
        let [debug, release] = Subject::both(engine)?;
        debug.build_base()?;
        let [debug, release, against] = in_turn(
            25,
            [&mut || first(&debug), &mut || first(&release), &mut || {
                quiet();
                time_of(&mut docker(&["run", "--rm", &image, "true"]))
            }],
        )?;
        rows.push(Row {
            what: "first call, in a new container",
            engine,
            peer: "`docker run --rm … true`",
            against,
            debug,
            release: Some(release),
            goal,
        });
    }
    Ok(rows)
}

pub(crate) fn warm_call() -> Result<Vec<Row>> {
    let idle = Idle::start(&Subject::base_image()?)?;
    let mut echo = Echo::start(size_of::<Message>())?;
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [mut debug, mut release] = Subject::both_calling(engine)?;
        for (what, way) in [
            ("warm call, `.blocking()`", "blocking"),
            ("warm call, `.await`", "await"),
        ] {
            // Each peer by itself: a daemon works on for a while after it has answered.
            let beside_socket = in_turn(
                30,
                [
                    &mut || debug.more(way),
                    &mut || release.more(way),
                    &mut || echo.thousand(),
                ],
            )?;
            let beside_daemon = in_turn(
                30,
                [
                    &mut || debug.more(way),
                    &mut || release.more(way),
                    &mut || time_of(&mut docker(&["exec", &idle.0, "true"])),
                ],
            )?;
            for (peer, [debug, release, against], goal) in [
                ("unix-socket ping-pong", beside_socket, 1.5),
                ("`docker exec … true`", beside_daemon, 0.01),
            ] {
                rows.push(Row {
                    what,
                    engine,
                    peer,
                    against,
                    debug,
                    release: Some(release),
                    goal,
                });
            }
        }
        debug.end()?;
        release.end()?;
    }
    Ok(rows)
}

pub(crate) fn map() -> Result<Vec<Row>> {
    let mut echo = Echo::start(size_of::<Message>())?;
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [mut debug, mut release] = Subject::both_calling(engine)?;
        let [ours, ours_release, raw] = in_turn(
            20,
            [
                &mut || debug.more("map"),
                &mut || release.more("map"),
                &mut || echo.ten_thousand(),
            ],
        )?;
        rows.push(Row {
            what: "10 000 inputs, by one `map`",
            engine,
            peer: "as many messages, sent ahead, through a unix socket",
            against: raw,
            debug: ours,
            release: Some(ours_release),
            goal: 3.0,
        });
        debug.end()?;
        release.end()?;
    }
    Ok(rows)
}

pub(crate) fn idle() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [mut debug, mut release] = Subject::both_calling(engine)?;
        let [ours, ours_release] = in_turn(
            3,
            [&mut || debug.more("idle"), &mut || release.more("idle")],
        )?;
        rows.push(Row {
            what: "a worker between two calls, where 1 000 of 1 ms wait for 8 containers",
            engine,
            peer: "the goal",
            against: Duration::from_micros(100),
            debug: ours,
            release: Some(ours_release),
            goal: 1.0,
        });
        debug.end()?;
        release.end()?;
    }
    Ok(rows)
}

pub(crate) fn large() -> Result<Vec<Row>> {
    let mut echo = Echo::start(LARGE)?;
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [mut debug, mut release] = Subject::both_calling(engine)?;
        let [ours, ours_release, raw] = in_turn(
            5,
            [
                &mut || debug.more("large"),
                &mut || release.more("large"),
                &mut || echo.large(),
            ],
        )?;
        rows.push(Row {
            what: "64 MiB there and back, by one call",
            engine,
            peer: "the same through a unix socket",
            against: raw,
            debug: ours,
            release: Some(ours_release),
            goal: 2.0,
        });
        debug.end()?;
        release.end()?;
    }
    Ok(rows)
}

/// A container that does nothing, by its name; removed when dropped.
struct Idle(String);

impl Idle {
    fn start(layer: &str) -> Result<Self> {
        run(&mut docker(&[
            "run", "--detach", "--rm", layer, "sleep", "600",
        ]))
        .map(Self)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // It ends by itself, too.
        let _ = run(&mut docker(&["rm", "--force", &self.0]));
    }
}

/// How much a call without arguments and result sends, about.
type Message = [u8; 24];

/// How much a call sends whose argument and result are large.
const LARGE: usize = 64 << 20;

/// A process that answers each message of one size with itself. It ends when its socket closes.
struct Echo {
    child: Child,
    socket: UnixStream,
}

impl Echo {
    fn start(size: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("echo");
        let listener = UnixListener::bind(&path)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("as-echo")
            .arg(&path)
            .arg(size.to_string())
            .spawn()?;
        let (socket, _) = listener.accept()?;
        Ok(Self { child, socket })
    }

    /// How long a large message takes there and back.
    fn large(&mut self) -> Result<Duration> {
        let mut message = vec![7; LARGE];
        time(|| {
            self.socket.write_all(&message)?;
            Ok(self.socket.read_exact(&mut message)?)
        })
    }

    /// The median of a thousand rounds.
    fn thousand(&mut self) -> Result<Duration> {
        let mut message = Message::default();
        let [median] = in_turn(
            1000,
            [&mut || {
                time(|| {
                    self.socket.write_all(&message)?;
                    Ok(self.socket.read_exact(&mut message)?)
                })
            }],
        )?;
        Ok(median)
    }

    /// How long ten thousand rounds take that do not wait for each other.
    fn ten_thousand(&mut self) -> Result<Duration> {
        const COUNT: usize = 10_000;
        let mut writer = self.socket.try_clone()?;
        time(|| {
            let writing = std::thread::spawn(move || {
                (0..COUNT).try_for_each(|_| writer.write_all(&Message::default()))
            });
            let mut message = Message::default();
            for _ in 0..COUNT {
                self.socket.read_exact(&mut message)?;
            }
            writing.join().expect("writing does not panic")?;
            Ok(())
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}

/// What the process of an [`Echo`] does.
pub(crate) fn be_echo() -> Result<()> {
    let mut arguments = std::env::args().skip(2);
    let path = arguments.next().context("the socket's path is wanted")?;
    let size = arguments.next().context("the size of messages is wanted")?;
    let mut socket = UnixStream::connect(path)?;
    let mut message = vec![0; size.parse()?];
    while socket.read_exact(&mut message).is_ok() {
        socket.write_all(&message)?;
    }
    Ok(())
}
