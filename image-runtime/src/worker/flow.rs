//! The host's end of a worker that serves many calls at once: frames are sent and received in bulk, and everything can be
//! dropped and taken up again between any two of them.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::CallFailure;
use super::host::{Asked, failure};
use super::line::Line;
use super::output::Output;
use crate::protocol::{FrameError, HEADER_LENGTH, Header, Kind, Stamp, memory};
use crate::secrets::Mask;
use crate::spec::Failure;

/// How much is received at once.
const CHUNK: usize = 128 * 1024;

/// A frame that came.
pub(crate) type Frame = (Header, Vec<u8>);

/// Traffic with a worker.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    socket: AsyncFd<BorrowedFd<'a>>,
    output: &'a mut Output,
    requests: &'a mut u64,
    mask: &'a Mask,
    is_timed: bool,
    asked: Option<&'a Asked>,
    /// Frames to send, and how much of them has gone.
    outgoing: Vec<u8>,
    gone: usize,
    incoming: Incoming,
    chunk: Box<[u8]>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(
        line: &'a Line,
        output: &'a mut Output,
        requests: &'a mut u64,
        mask: &'a Mask,
        is_timed: bool,
        asked: Option<&'a Asked>,
        places: usize,
    ) -> io::Result<Self> {
        output.forget();
        let mut flow = Self {
            socket: line.watched()?,
            output,
            requests,
            mask,
            is_timed,
            asked,
            outgoing: Vec::new(),
            gone: 0,
            incoming: Incoming::default(),
            chunk: vec![0; CHUNK].into_boxed_slice(),
        };
        flow.push(Kind::Crew, places as u64, &[])
            .map_err(io::Error::other)?;
        Ok(flow)
    }

    /// Sends a request, in the next [`Self::frames`]; answers its number. `nested` is as in [`Worker::call`](super::Worker::call).
    pub(crate) fn request(
        &mut self,
        kind: Kind,
        nested: u64,
        parts: &[&[u8]],
    ) -> Result<u64, FrameError> {
        let number = *self.requests + 1;
        let before = self.outgoing.len();
        if nested != 0 {
            self.push(Kind::Nested, nested, &[])?;
        }
        if let Err(error) = self.push(kind, number, parts) {
            self.outgoing.truncate(before);
            return Err(error);
        }
        *self.requests = number;
        Ok(number)
    }

    /// Ends the calls that the function of a request has asked for: nobody waits for it any more.
    pub(crate) fn give_up(&self, number: u64) {
        if let Some(asked) = self.asked {
            asked.give_up(number);
        }
    }

    /// Sends more about a request.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        number: u64,
        parts: &[&[u8]],
    ) -> Result<(), FrameError> {
        let header = Header::of(kind, number, parts)?;
        memory::reserve(&mut self.outgoing, HEADER_LENGTH + header.length as usize)?;
        self.outgoing.extend_from_slice(&header.to_bytes());
        for part in parts {
            self.outgoing.extend_from_slice(part);
        }
        Ok(())
    }

    /// Sends what is to be sent, and waits for frames. Nothing where the worker has closed the socket: what it said before
    /// that has been answered before. May be dropped at any time.
    pub(crate) async fn frames(
        &mut self,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<Option<Vec<Frame>>, CallFailure> {
        loop {
            self.send();
            match recv(
                *self.socket.get_ref(),
                &mut *self.chunk,
                RecvFlags::DONTWAIT,
            ) {
                Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
                Ok((received, _)) => {
                    let mut frames = Vec::new();
                    self.incoming
                        .take(&self.chunk[..received], &mut frames)
                        .map_err(|error| CallFailure::Connection(io::Error::other(error)))?;
                    if !frames.is_empty() {
                        self.output.drain_lines(tell);
                        return Ok(Some(frames));
                    }
                }
                Err(Errno::WOULDBLOCK) => self.wait(tell).await.map_err(CallFailure::Connection)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(CallFailure::Connection(error.into())),
            }
        }
    }

    /// When a call was worked on, taken off its answer, where calls are timed.
    pub(crate) fn stamp(&self, body: &mut Vec<u8>) -> Option<Stamp> {
        self.is_timed.then(|| Stamp::take_off(body))?
    }

    /// Why a call failed, as the body of its answer tells it.
    pub(crate) fn failure(&self, body: &[u8]) -> Result<Failure, CallFailure> {
        failure(body, self.mask)
    }

    /// Tells what was printed so far, and ends the last lines.
    pub(crate) fn end_lines(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        self.output.drain(tell);
    }

    /// What is printed from here on is printed by other calls.
    pub(crate) fn forget_lines(&mut self) {
        self.output.forget();
    }

    /// Sends as much as goes. Where nobody receives any more, the other direction says so once it has been emptied.
    fn send(&mut self) {
        while self.gone < self.outgoing.len() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(*self.socket.get_ref(), &self.outgoing[self.gone..], flags) {
                Ok(sent) => self.gone += sent,
                Err(Errno::WOULDBLOCK) => return,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        self.outgoing.clear();
        self.gone = 0;
    }

    async fn wait(&mut self, tell: &mut (dyn FnMut(String) + Send)) -> io::Result<()> {
        let interest = match self.outgoing.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        tokio::select! {
            biased;
            ready = self.socket.ready(interest) => {
                ready?.clear_ready();
                Ok(())
            }
            error = self.output.forward(tell) => Err(error),
        }
    }
}

/// Frames out of pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    head: Vec<u8>,
    /// One whose body is still to come.
    body: Option<Frame>,
}

impl Incoming {
    /// Adds a piece, and to the frames those that are whole now.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        frames: &mut Vec<Frame>,
    ) -> Result<(), FrameError> {
        let mut next = |count: usize| {
            let (taken, rest) = bytes.split_at(count.min(bytes.len()));
            bytes = rest;
            taken
        };
        loop {
            if self.body.is_none() {
                let missing = HEADER_LENGTH - self.head.len();
                self.head.extend_from_slice(next(missing));
                let Some(head) = self.head.first_chunk() else {
                    return Ok(());
                };
                let header = Header::from_bytes(*head)?;
                self.head.clear();
                self.body = Some((header, Vec::new()));
            }
            if let Some((header, body)) = &mut self.body {
                let missing = header.length as usize - body.len();
                memory::reserve(body, missing)?;
                body.extend_from_slice(next(missing));
                if body.len() < header.length as usize {
                    return Ok(());
                }
            }
            frames.extend(self.body.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol;

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let whole = [
            protocol::encode(Kind::Returned, 1, &[]).unwrap(),
            protocol::encode(Kind::Item, 2, &[b"two"]).unwrap(),
            protocol::encode(Kind::Failed, 3, &[&[7; 300]]).unwrap(),
        ]
        .concat();
        for size in [1, 3, 16, 17, 64, whole.len()] {
            let (mut incoming, mut frames) = (Incoming::default(), Vec::new());
            for piece in whole.chunks(size) {
                incoming.take(piece, &mut frames).unwrap();
            }
            let found: Vec<_> = frames.iter().map(|f| (f.0.number, f.1.len())).collect();
            assert_eq!(found, [(1, 0), (2, 3), (3, 300)], "{size}");
        }
    }
}
