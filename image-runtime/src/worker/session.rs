//! A session inside the container: a program that somebody talks to, at a terminal of the container's own or through pipes.
//! Its input comes and its output goes in frames.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::crew::{Crew, or_end};
use super::serve::encode;
use super::supervise::{at_its_terminal, end_everything_else};
use crate::protocol::{self, Kind, RunOutcome, Size, Terminal, value};

/// How much is read and sent at once.
const PIECE: usize = 16 * 1024;

/// A program that runs.
pub(super) struct Session {
    /// Whoever writes its input; nothing once that has ended.
    input: Option<Sender<Vec<u8>>>,
    /// The controlling end of its terminal, where it has one.
    terminal: Option<OwnedFd>,
}

/// A program that was started, with this side's ends of its standard streams.
struct Started {
    child: Child,
    input: Box<dyn Write + Send>,
    outputs: Vec<(Kind, Box<dyn Read + Send>)>,
    terminal: Option<OwnedFd>,
}

impl Session {
    /// Starts the first program that there is. Where there is none, the host is told, and nothing runs.
    pub(super) fn start(
        wanted: &protocol::Session,
        number: u64,
        crew: &Crew,
    ) -> io::Result<Option<Self>> {
        let started = match start_one_of(wanted) {
            Ok(started) => started,
            Err(outcome) => {
                crew.write(Kind::Ran, number, &encode(&outcome)?)?;
                return Ok(None);
            }
        };
        let (input, pieces) = channel();
        let outputs = started.outputs.into_iter().map(|(kind, output)| {
            let crew = crew.clone();
            in_background(move || or_end(send(output, kind, number, &crew)))
        });
        let outputs = outputs.collect::<io::Result<Vec<_>>>()?;
        let writing = crew.clone();
        in_background(move || or_end(write(started.input, &pieces, number, &writing)))?;
        let crew = crew.clone();
        in_background(move || or_end(end(started.child, outputs, number, &crew)))?;
        Ok(Some(Self {
            input: Some(input),
            terminal: started.terminal,
        }))
    }

    /// Takes what the host says of it.
    pub(super) fn take(&mut self, kind: Kind, body: Vec<u8>) -> io::Result<()> {
        match (kind, &self.terminal) {
            (Kind::Resize, Some(terminal)) => {
                let size = value::decode(&body).map_err(io::Error::other)?;
                tcsetwinsize(terminal, window(size))?;
            }
            (Kind::Input, _) if body.is_empty() => self.input = None,
            (Kind::Input, _) => {
                if let Some(input) = &self.input {
                    // Whoever wrote it is gone where the program has closed its end.
                    let _ = input.send(body);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn in_background(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("image-runtime-session".into());
    thread.spawn(work)
}

fn start_one_of(wanted: &protocol::Session) -> Result<Started, RunOutcome> {
    for argv in &wanted.candidates {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(RunOutcome::NotStarted("the command is empty".to_owned()));
        };
        let mut command = process::Command::new(program);
        command.args(arguments);
        let started = match &wanted.terminal {
            Some(terminal) => start_at_terminal(command, terminal),
            None => start_with_pipes(command),
        };
        match started {
            Ok(started) => return Ok(started),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let reason = format!("`{program}` cannot be started: {error}");
                return Err(RunOutcome::NotStarted(reason));
            }
        }
    }
    let programs = wanted.candidates.iter().filter_map(|argv| argv.first());
    let programs: Vec<_> = programs.map(|program| format!("`{program}`")).collect();
    let reason = format!("the image has no {}", programs.join(" and no "));
    Err(RunOutcome::NotFound(reason))
}

fn start_at_terminal(mut command: Command, terminal: &Terminal) -> io::Result<Started> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    // That there is none must not look as if the program was missing.
    let opened = |error: rustix::io::Errno| io::Error::other(format!("no terminal: {error}"));
    let controller = openpt(flags).map_err(opened)?;
    grantpt(&controller).map_err(opened)?;
    unlockpt(&controller).map_err(opened)?;
    tcsetwinsize(&controller, window(terminal.size)).map_err(opened)?;
    let user = ioctl_tiocgptpeer(&controller, flags).map_err(opened)?;
    at_its_terminal(&mut command);
    let child = command
        .env("TERM", &terminal.kind)
        .stdin(user.try_clone()?)
        .stdout(user.try_clone()?)
        .stderr(user)
        .spawn()?;
    let end = || controller.try_clone().map(File::from);
    Ok(Started {
        input: Box::new(end()?),
        outputs: vec![(Kind::Stdout, Box::new(end()?))],
        terminal: Some(controller),
        child,
    })
}

fn start_with_pipes(mut command: Command) -> io::Result<Started> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let piped = "all three streams are pipes";
    Ok(Started {
        input: Box::new(child.stdin.take().expect(piped)),
        outputs: vec![
            (Kind::Stdout, Box::new(child.stdout.take().expect(piped))),
            (Kind::Stderr, Box::new(child.stderr.take().expect(piped))),
        ],
        terminal: None,
        child,
    })
}

fn window(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Sends what the program writes, until nobody can write any more.
fn send(mut output: Box<dyn Read + Send>, kind: Kind, number: u64, crew: &Crew) -> io::Result<()> {
    let mut piece = [0; PIECE];
    loop {
        match output.read(&mut piece) {
            // A terminal that nobody has open any more is at its end with an error.
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => crew.write(kind, number, &piece[..read])?,
        }
    }
}

/// Writes the program's input, and closes it after the last piece.
fn write(
    mut input: Box<dyn Write + Send>,
    pieces: &Receiver<Vec<u8>>,
    number: u64,
    crew: &Crew,
) -> io::Result<()> {
    for piece in pieces {
        // A program that reads no more is no fault; the rest is lost, as it is in a pipe.
        let _ = input.write_all(&piece);
        crew.write(Kind::InputTaken, number, &[])?;
    }
    Ok(())
}

/// Waits for the program's end, ends what it left running, and tells how it ended when all it wrote was sent.
fn end(mut child: Child, outputs: Vec<JoinHandle<()>>, number: u64, crew: &Crew) -> io::Result<()> {
    let status = child.wait()?;
    let outcome = match status.code() {
        Some(code) => RunOutcome::Exited(code),
        None => RunOutcome::Signaled(status.signal().unwrap_or(0)),
    };
    end_everything_else()?;
    for output in outputs {
        let _ = output.join();
    }
    crew.write(Kind::Ran, number, &encode(&outcome)?)
}
