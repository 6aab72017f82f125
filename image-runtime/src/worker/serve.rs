//! A worker's life: find the host, agree on the build, answer until the host is gone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};

use super::crew::Crew;
use super::current::Ticket;
use super::host::is_end;
use super::invoke::Functions;
use super::meeting::{is_given, take_over};
use super::session::Session;
use super::spin::Spin;
use super::{asking, bundle, commands, inside, supervise};
use crate::protocol::{self, HEADER_LENGTH, Header, Hello, Kind, memory, value};

/// Whether this process is a worker: its program was put there, where only root puts anything, and it is what a container begins with, or
/// somebody awaits it.
pub fn is_worker() -> bool {
    let is = |path| Path::new(path).exists();
    is(inside::EXECUTABLE)
        && (std::process::id() == 1
            || is(inside::SOCKET)
            || is_given() && supervise::is_supervised().unwrap_or_default())
}

/// Many small calls that were sent together are read together.
const READ_AT_ONCE: usize = 64 * 1024;

pub(super) static SERVING: AtomicBool = AtomicBool::new(false);

/// Whether this process serves a host: a function that asks runs in a container.
pub fn is_serving() -> bool {
    SERVING.load(Ordering::Relaxed)
}

/// Serves the host until it is gone, and ends the process.
pub fn serve() -> ! {
    if std::process::id() == 1
        && let Some(code) = supervise::supervise()
    {
        std::process::exit(code);
    }
    SERVING.store(true, Ordering::Relaxed);
    let code = match find_host() {
        Ok(socket) => match answer_until_the_end(socket) {
            Ok(()) => 0,
            Err(error) if is_end(&error) => 0,
            Err(error) => {
                supervise::complain(&error);
                1
            }
        },
        Err(error) => {
            supervise::complain(&error);
            inside::ALONE.into()
        }
    };
    // Whatever functions do in other threads.
    supervise::exit_at_once(code)
}

/// Where both meet somewhere, the host removes it then.
fn find_host() -> io::Result<UnixStream> {
    match is_given() {
        true => Ok(rustix::stdio::stdin().try_clone_to_owned()?.into()),
        false => UnixStream::connect(inside::SOCKET),
    }
}

fn answer_until_the_end(mut socket: UnixStream) -> io::Result<()> {
    let [stdout, stderr, asking] = take_over(&socket)?;
    agree(&mut socket)?;
    asking::open(asking.into());
    redirect_output(&stdout, &stderr)?;

    let crew = Crew::new(Functions::new(), socket.try_clone()?);
    let mut socket = BufReader::with_capacity(READ_AT_ONCE, socket);
    let mut session = None;
    let mut nested = 0;
    let mut is_watched = false;
    let mut spin = Spin::default();
    loop {
        if socket.buffer().is_empty() {
            let mut watched = [PollFd::new(socket.get_ref(), PollFlags::IN)];
            let begun = spin.begin(&mut watched);
            if !begun.has_come {
                wait(&mut watched)?;
            }
            if let Err(error) = socket.fill_buf()
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error);
            }
            spin.end(&begun);
        }
        let Some((header, body)) = read_frame(&mut socket)? else {
            return Ok(());
        };
        // What is done in other threads does not keep this one from reading on.
        let is_done_here = matches!(
            header.kind,
            Kind::Call | Kind::Enter | Kind::Exit | Kind::Run | Kind::Session
        );
        if is_done_here && !is_watched {
            // Where there is no room for a thread, this one hears of the host's end when it has done what it is asked for.
            is_watched = end_with(socket.get_ref()).is_ok();
        }
        let ticket = Ticket {
            number: header.number,
            nested: std::mem::take(&mut nested),
        };
        match header.kind {
            Kind::Nested => nested = header.number,
            Kind::Call => crew.call(ticket, body)?,
            Kind::Enter => crew.enter(ticket, body)?,
            Kind::Exit => crew.exit(ticket)?,
            Kind::Time => crew.time(),
            Kind::Crew => crew.grow(header.number),
            Kind::Queue => crew.queue(ticket, body)?,
            Kind::Stream => crew.queue_stream(ticket, body)?,
            Kind::Recall => crew.recall(header.number)?,
            Kind::More => crew.more(header.number, &body)?,
            Kind::Stop => crew.stop(header.number),
            Kind::Run => {
                let command = value::decode(&body).map_err(io::Error::other)?;
                let outcome = encode(&commands::run(&command)?)?;
                io::stdout().flush()?;
                crew.write(Kind::Ran, header.number, &outcome)?;
            }
            Kind::Session => {
                let wanted = value::decode(&body).map_err(io::Error::other)?;
                session = Session::start(&wanted, header.number, &crew)?;
            }
            Kind::Input | Kind::Resize => {
                // What comes after the session's end is meant for nobody.
                if let Some(session) = &mut session {
                    session.take(header.kind, body)?;
                }
            }
            other => return Err(io::Error::other(format!("unexpected message {other:?}"))),
        }
    }
}

/// Waits until there is something to read. Who waits by reading is woken, too, when the other side has read what was written, and
/// would take the core from it for nothing.
fn wait(watched: &mut [PollFd<'_>]) -> io::Result<()> {
    match poll(watched, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says hello and hears the host's, so that neither works with another build.
fn agree(socket: &mut UnixStream) -> io::Result<()> {
    let build = bundle::build_id(Path::new(inside::EXECUTABLE)).map_err(io::Error::other)?;
    let hello = Hello {
        version: protocol::VERSION,
        build,
    };
    write_frame(socket, Kind::Hello, 0, &encode(&hello)?)?;
    match read_frame(socket)? {
        Some((header, body)) if header.kind == Kind::Hello => {
            let theirs: Hello = value::decode(&body).map_err(io::Error::other)?;
            if theirs == hello {
                Ok(())
            } else {
                Err(io::Error::other(format!(
                    "host and worker are different builds: {theirs:?}, {hello:?}"
                )))
            }
        }
        Some((header, _)) => Err(io::Error::other(format!(
            "unexpected message {:?}",
            header.kind
        ))),
        None => Err(io::Error::other("the host closed the connection")),
    }
}

/// Makes the host's pipes this process's standard output and standard error, for its children too.
fn redirect_output(out: &OwnedFd, err: &OwnedFd) -> io::Result<()> {
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(out)?;
    Ok(rustix::stdio::dup2_stderr(err)?)
}

/// Ends this process as soon as the host closes the socket, whatever this thread does.
fn end_with(socket: &UnixStream) -> io::Result<()> {
    let socket = socket.try_clone()?;
    std::thread::Builder::new()
        .name("image-runtime-host-watch".into())
        .spawn(move || {
            loop {
                let mut watched = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::RDHUP)];
                match poll(&mut watched, None) {
                    Ok(_) => break,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => break,
                }
            }
            supervise::exit_at_once(0);
        })?;
    Ok(())
}

pub(crate) fn read_frame(socket: &mut impl Read) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut header = [0; HEADER_LENGTH];
    match socket.read_exact(&mut header) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let header = Header::from_bytes(header).map_err(io::Error::other)?;
    let mut body = Vec::new();
    let length = header.length as usize;
    memory::reserve(&mut body, length).map_err(io::Error::other)?;
    let read = socket.take(header.length.into()).read_to_end(&mut body)?;
    Ok((read == length).then_some((header, body)))
}

pub(super) fn write_frame(
    socket: &mut UnixStream,
    kind: Kind,
    number: u64,
    body: &[u8],
) -> io::Result<()> {
    let header = Header::new(kind, number, body.len()).map_err(io::Error::other)?;
    let mut parts = [io::IoSlice::new(&[]), io::IoSlice::new(body)];
    let header = header.to_bytes();
    parts[0] = io::IoSlice::new(&header);
    let mut parts = &mut parts[..];
    while !parts.is_empty() {
        let written = socket.write_vectored(parts)?;
        io::IoSlice::advance_slices(&mut parts, written);
    }
    Ok(())
}

pub(super) fn encode<T: serde::Serialize>(message: &T) -> io::Result<Vec<u8>> {
    value::encode(message).map_err(io::Error::other)
}
