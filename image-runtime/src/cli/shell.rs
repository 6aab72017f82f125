//! `shell`: somebody in a container of an image, at a terminal or with commands from standard input.

use std::io::{self, IsTerminal as _, Read as _, Write};
use std::process::ExitCode;

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::args::Shell;
use super::{Fault, host, list, unknown};
use crate::protocol::{RunOutcome, Session, Size, Terminal};
use crate::registry::Program;
use crate::spec::Image;
use crate::worker::{Attached, Stream, Worker};

/// How much input is read at once.
const PIECE: usize = 16 * 1024;

/// Pieces of input or output that wait to be taken.
const WAITING: usize = 16;

/// What is run where neither the command line nor the image says what.
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// The exit codes of shells, and of `docker run`, for a program that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;

/// What a terminal understands that does not say what it is.
const PLAIN_TERMINAL: &str = "xterm";

pub(super) async fn run(arguments: &Shell) -> Result<ExitCode, Fault> {
    let (image, mut worker) = start(&arguments.name).await?;
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let session = Session {
        candidates: match &arguments.command[..] {
            [] => shells(image).await?,
            command => vec![command.to_vec()],
        },
        terminal: is_terminal.then(|| Terminal {
            kind: std::env::var("TERM").unwrap_or_else(|_| PLAIN_TERMINAL.to_owned()),
            size: size_of_terminal(),
        }),
    };
    let ended = converse(&mut worker, &session).await;
    // The end of the session counts; an error here changes nothing for anybody.
    let _ = worker.remove().await;
    match ended? {
        // Whoever reads our output has gone, which ends programs by this signal.
        None => Ok(exit_code(128 + rustix::process::Signal::PIPE.as_raw())),
        Some(RunOutcome::Exited(code)) => Ok(exit_code(code)),
        Some(RunOutcome::Signaled(signal)) => Ok(exit_code(128 + signal)),
        Some(RunOutcome::NotFound(reason)) => Err(not_run(arguments, &reason, NOT_FOUND)),
        Some(RunOutcome::NotStarted(reason)) => Err(not_run(arguments, &reason, NOT_STARTED)),
    }
}

/// A worker in a container of the image or the function of that name, and its image.
async fn start(name: &str) -> Result<(Image, Worker), Fault> {
    let program = list::program()?;
    let images = program.images();
    if let Some((_, image)) = images.iter().find(|(known, _)| known == name) {
        return Ok((*image, host().await?.start_in_image(*image).await?));
    }
    let Some(function) = program.function(name) else {
        return Err(unknown("image or function", name, &names(program, images)));
    };
    let worker = host().await?.start_as(function).await?;
    Ok((program.image_of(function), worker))
}

fn names(program: &Program, images: Vec<(String, Image)>) -> Vec<String> {
    let functions = program.functions().map(|function| function.name.to_owned());
    let images = images.into_iter().map(|(name, _)| name);
    images.chain(functions).collect()
}

/// What may be run as the shell of an image.
async fn shells(image: Image) -> Result<Vec<Vec<String>>, Fault> {
    let own = host().await?.build(image).await?.config.shell.clone();
    // Its arguments are there to make it run one line.
    let own = own.into_iter().take(1);
    let shells = own.chain(SHELLS.map(str::to_owned));
    Ok(shells.map(|shell| vec![shell]).collect())
}

fn not_run(arguments: &Shell, reason: &str, code: u8) -> Fault {
    let name = &arguments.name;
    let help = match arguments.command[..] {
        [] => format!("\n  help: name a program that it has: `shell {name} -- PROGRAM`"),
        _ => String::new(),
    };
    Fault::NotRun(format!("`shell {name}`: {reason}{help}"), code)
}

/// Runs a session between its program and our standard streams.
async fn converse(worker: &mut Worker, session: &Session) -> Result<Option<RunOutcome>, Fault> {
    let raw = session.terminal.as_ref().map(|_| Raw::enter());
    let raw = raw.transpose().map_err(|error| no_terminal(&error))?;
    let (input_to, input) = mpsc::channel(WAITING);
    let (output, output_from) = mpsc::channel(WAITING);
    let (size_to, size) = watch::channel(Size::default());
    // Reading and writing block, so each has a thread of its own. The one that reads ends with this process.
    let reader = std::thread::Builder::new().name("image-runtime-input".into());
    let reading = reader.spawn(move || read_input(&input_to));
    let writer = std::thread::Builder::new().name("image-runtime-output".into());
    let writing = writer.spawn(move || write_output(output_from));
    let (_, writing) = (reading.map_err(no_thread)?, writing.map_err(no_thread)?);
    let ends = Attached {
        input,
        size,
        output,
    };
    let outcome = tokio::select! {
        outcome = worker.attach(session, ends) => outcome.map_err(|failure| Fault::failed(&failure)),
        fault = follow_terminal(size_to, raw.is_some()) => Err(fault),
    };
    if outcome.is_ok() {
        let _ = tokio::task::spawn_blocking(|| writing.join()).await;
    }
    outcome
}

fn no_terminal(error: &io::Error) -> Fault {
    Fault::Failed(format!("the terminal cannot be used: {error}"))
}

fn no_thread(error: io::Error) -> Fault {
    Fault::Failed(format!("no thread can be started: {error}"))
}

fn read_input(to: &mpsc::Sender<Vec<u8>>) {
    let mut piece = [0; PIECE];
    // Input that cannot be read is at its end.
    while let Ok(read @ 1..) = io::stdin().lock().read(&mut piece) {
        if to.blocking_send(piece[..read].to_vec()).is_err() {
            return;
        }
    }
}

/// Ends early where nobody reads any more.
fn write_output(mut from: mpsc::Receiver<(Stream, Vec<u8>)>) {
    while let Some((stream, bytes)) = from.blocking_recv() {
        let written = match stream {
            Stream::Out => write_all(io::stdout().lock(), &bytes),
            Stream::Err => write_all(io::stderr().lock(), &bytes),
        };
        if written.is_err() {
            return;
        }
    }
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Tells how large our terminal is whenever that changes. Ends with a signal that would end this process while the terminal is
/// not as it was; those by which people and supervisors do that end all commands.
async fn follow_terminal(to: watch::Sender<Size>, is_raw: bool) -> Fault {
    if !is_raw {
        std::future::pending::<()>().await;
    }
    let (mut changed, mut hung_up, mut quit) = (
        signal(SignalKind::window_change()).ok(),
        signal(SignalKind::hangup()).ok(),
        signal(SignalKind::quit()).ok(),
    );
    // It may have changed since it was asked for.
    loop {
        to.send_replace(size_of_terminal());
        tokio::select! {
            () = next(&mut changed) => {}
            () = next(&mut hung_up) => return Fault::Interrupted(SignalKind::hangup()),
            () = next(&mut quit) => return Fault::Interrupted(SignalKind::quit()),
        }
    }
}

async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => std::future::pending().await,
    }
}

fn size_of_terminal() -> Size {
    // One that does not say has the size that the program inside assumes.
    let size = tcgetwinsize(stdout()).map(|size| Size {
        rows: size.ws_row,
        columns: size.ws_col,
    });
    size.unwrap_or_default()
}

/// Our terminal, while it hands on every key as it is. Dropped, it is as it was.
struct Raw(Termios);

impl Raw {
    fn enter() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
