//! The relay in the container.

use std::fs::File;
use std::io::{self, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::{BEGIN, Channel, HEAD, PIECE};
use crate::worker::host::is_end;
use crate::worker::meeting::{hand_over, is_given};
use crate::worker::{inside, output};

/// So much of what is printed is passed on before anything else has its turn: more than can be in a pipe.
const IN_A_ROW: usize = 16 * PIECE;

/// A relay for a worker to be.
pub(in crate::worker) struct Relay {
    /// To the worker.
    line: UnixStream,
    /// From the host, and to it.
    host: [File; 2],
}

/// A relay at work.
pub(in crate::worker) struct Relaying {
    thread: JoinHandle<io::Result<()>>,
    /// Closed when the worker has ended.
    lives: PipeWriter,
}

impl Relay {
    /// Makes one where this process was given no socket to the host, and the host has mounted no place to meet. Its worker is given one.
    pub(in crate::worker) fn open() -> io::Result<Option<Self>> {
        if is_given() || Path::new(inside::RUN).exists() {
            return Ok(None);
        }
        let (line, theirs) = UnixStream::pair()?;
        let host = [
            File::from(rustix::stdio::stdin().try_clone_to_owned()?),
            File::from(rustix::stdio::stdout().try_clone_to_owned()?),
        ];
        // Whatever else this process or its children print must not come between.
        rustix::stdio::dup2_stdin(theirs)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Some(Self { line, host }))
    }

    /// Relays what comes from the worker and for it.
    pub(in crate::worker) fn begin(self) -> io::Result<Relaying> {
        let (ended, lives) = io::pipe()?;
        let thread = std::thread::Builder::new()
            .name("image-runtime-relay".to_owned())
            .spawn(move || self.run(ended))?;
        Ok(Relaying { thread, lives })
    }

    fn run(self, ended: PipeReader) -> io::Result<()> {
        let Self {
            line,
            host: [from, mut to],
        } = self;
        to.write_all(BEGIN)?;
        let (asking, theirs) = UnixStream::pair()?;
        let (stdout, stderr) = (output::pipe()?, output::pipe()?);
        match hand_over(&line, [stdout.1.as_fd(), stderr.1.as_fd(), theirs.as_fd()]) {
            // The worker has ended already.
            Err(error) if is_end(&error) => return Ok(()),
            handed_over => handed_over?,
        }
        drop(theirs);
        let sockets = [line.try_clone()?, asking.try_clone()?];
        std::thread::Builder::new()
            .name("image-runtime-relay-in".to_owned())
            .spawn(move || pass_on(from, &sockets))?;
        Outgoing {
            sockets: [Some(line), Some(asking)],
            printed: [stdout.0, stderr.0],
            to,
        }
        .run(&ended)
    }
}

impl Relaying {
    /// Relays what is left when the worker has ended.
    pub(in crate::worker) fn end(self) -> io::Result<()> {
        drop(self.lives);
        self.thread.join().unwrap_or(Ok(()))
    }
}

/// Passes on what comes from the host, until it is gone: the worker learns of that by the end of its socket.
fn pass_on(from: impl Read, [line, asking]: &[UnixStream; 2]) {
    let mut from = BufReader::with_capacity(PIECE, from);
    let mut piece = Vec::new();
    let mut pass = || -> io::Result<()> {
        let mut head = [0; HEAD];
        from.read_exact(&mut head)?;
        let (channel, length) = Channel::of(head)?;
        piece.resize(length, 0);
        from.read_exact(&mut piece)?;
        let mut socket = match channel {
            Channel::Line => line,
            Channel::Asking => asking,
            other => return Err(io::Error::other(format!("nothing goes to {other:?}"))),
        };
        match length {
            0 => socket.shutdown(Shutdown::Write),
            _ => socket.write_all(&piece),
        }
    };
    while pass().is_ok() {}
    for socket in [line, asking] {
        // Where that fails, it has ended already.
        let _ = socket.shutdown(Shutdown::Write);
    }
}

/// What comes from the worker.
struct Outgoing {
    /// The line and the socket over which is asked, until they end.
    sockets: [Option<UnixStream>; 2],
    printed: [OwnedFd; 2],
    to: File,
}

impl Outgoing {
    fn run(&mut self, ended: &PipeReader) -> io::Result<()> {
        loop {
            let sockets = self.sockets.iter().flatten().map(AsFd::as_fd);
            let printed = self.printed.iter().map(AsFd::as_fd);
            let all = sockets.chain(printed).chain([ended.as_fd()]);
            let mut watched: Vec<_> = all
                .map(|watched| PollFd::from_borrowed_fd(watched, PollFlags::IN))
                .collect();
            wait(&mut watched)?;
            let is_over = watched
                .last()
                .is_some_and(|ended| !ended.revents().is_empty());
            // What was printed before something was said goes before it.
            let said = [self.said(0)?, self.said(1)?];
            let is_quiet = said.iter().all(Option::is_none);
            self.pass_printed()?;
            for (index, said) in said.into_iter().enumerate() {
                if let Some(said) = said {
                    let channel = [Channel::Line, Channel::Asking][index];
                    self.to.write_all(&channel.frame(&said))?;
                    if said.is_empty() {
                        self.sockets[index] = None;
                    }
                }
            }
            // What the worker has started may print for ever.
            if is_over && is_quiet {
                return Ok(());
            }
        }
    }

    /// What was said over a socket; empty where that has ended.
    fn said(&self, index: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(socket) = &self.sockets[index] else {
            return Ok(None);
        };
        let mut piece = Vec::with_capacity(PIECE);
        match recv(socket, spare_capacity(&mut piece), RecvFlags::DONTWAIT) {
            Ok(_) => Ok(Some(piece)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            // A worker that is killed may leave unread what it was told.
            Err(Errno::CONNRESET) => Ok(Some(Vec::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// Passes on what was printed: all that is in the pipes now.
    fn pass_printed(&mut self) -> io::Result<()> {
        for (index, channel) in [Channel::Stdout, Channel::Stderr].into_iter().enumerate() {
            let mut passed = 0;
            let mut piece = Vec::with_capacity(PIECE);
            while passed < IN_A_ROW {
                piece.clear();
                match rustix::io::read(&self.printed[index], spare_capacity(&mut piece)) {
                    Ok(0) | Err(Errno::WOULDBLOCK) => break,
                    Ok(length) => {
                        passed += length;
                        self.to.write_all(&channel.frame(&piece))?;
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn wait(watched: &mut [PollFd<'_>]) -> io::Result<()> {
    loop {
        match poll(watched, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
