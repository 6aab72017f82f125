//! Calls: the first in a new container, and those that find it warm.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image_runtime::{Image, app, image};

use crate::measure::{Row, in_turn, median, run, this_program, time};

const NOTHING: Image = image!(scratch());

#[app::function(image = NOTHING)]
fn nothing() {}

/// Makes one call in a process that made none before, and prints how long it took in nanoseconds.
pub(crate) fn be_first_caller() -> Result<()> {
    let begin = Instant::now();
    nothing::remote().blocking()?;
    println!("{}", begin.elapsed().as_nanos());
    Ok(())
}

pub(crate) fn first_call() -> Result<Vec<Row>> {
    run(&mut this_program("as-first-caller")?)?;
    let layer = crate::build::debian_layer()?;
    let (ours, peer) = in_turn(
        15,
        || {
            Ok(Duration::from_nanos(
                run(&mut this_program("as-first-caller")?)?.parse()?,
            ))
        },
        || time(|| run(Command::new("docker").args(["run", "--rm", &layer, "true"])).map(drop)),
    )?;
    Ok(vec![Row {
        what: "first call, in a new container",
        ours,
        peer_name: "`docker run --rm … true`",
        peer,
        goal: 1.3,
    }])
}

/// Answers each byte on a socket, in a process of its own.
pub(crate) fn be_echo() -> Result<()> {
    let path = std::env::args()
        .nth(2)
        .context("the socket's path is wanted")?;
    let mut socket = UnixStream::connect(path)?;
    let mut message = [0; 32];
    while socket.read_exact(&mut message).is_ok() {
        socket.write_all(&message)?;
    }
    Ok(())
}

pub(crate) fn warm_call() -> Result<Vec<Row>> {
    const ROUNDS: usize = 3000;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("echo");
    let listener = UnixListener::bind(&path)?;
    let mut echo = this_program("as-echo")?.arg(&path).spawn()?;
    let (mut socket, _) = listener.accept()?;
    let mut message = [0; 32];
    let mut ping_pong = || {
        time(|| {
            socket.write_all(&message)?;
            Ok(socket.read_exact(&mut message)?)
        })
    };
    let container = run(Command::new("docker").args([
        "run",
        "-d",
        "--rm",
        &crate::build::debian_layer()?,
        "sleep",
        "600",
    ]))?;
    nothing::remote().blocking()?;
    let (blocking, raw) = in_turn(
        ROUNDS,
        || time(|| Ok(nothing::remote().blocking()?)),
        &mut ping_pong,
    )?;
    let awaited = image_runtime::__private::block_on(async {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            nothing::remote().await?;
            times.push(begin.elapsed());
        }
        Ok::<_, anyhow::Error>(median(times))
    })?;
    let (_, exec) = in_turn(
        10,
        || Ok(Duration::ZERO),
        || time(|| run(Command::new("docker").args(["exec", &container, "true"])).map(drop)),
    )?;
    drop(socket);
    echo.wait()?;
    run(Command::new("docker").args(["rm", "-f", &container]))?;
    let row = |what, ours, peer_name, peer, goal| Row {
        what,
        ours,
        peer_name,
        peer,
        goal,
    };
    Ok(vec![
        row(
            "warm call, `.blocking()`",
            blocking,
            "raw unix-socket ping-pong",
            raw,
            3.0,
        ),
        row(
            "warm call, `.await`",
            awaited,
            "raw unix-socket ping-pong",
            raw,
            3.0,
        ),
        row(
            "warm call, `.await`",
            awaited,
            "`docker exec … true`",
            exec,
            0.01,
        ),
    ])
}
