//! What runs inside a worker prints into two pipes, which its host handed to it. The host reads them while a request is under way, and
//! to the last byte before it takes the answer: what a function printed is never heard after its result.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags, fchmod, fcntl_setfl};
use rustix::io::ioctl_fionread;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::Receiver;

use crate::secrets::Mask;

/// Lines are told in pieces of this size where a program prints none.
const LONGEST_LINE: usize = 64 * 1024;

/// How much is read at once, or more.
const PIECE: usize = 16 * 1024;

/// How many last lines are kept for the error of a worker that died.
const LINES_KEPT: usize = 30;

/// Hears when a worker prints something, for as long as its [`Output`] is there.
#[derive(Debug)]
pub(crate) struct Printed([Arc<Receiver>; 2]);

impl Printed {
    /// The host's ends of the pipes.
    pub(super) fn ends(&self) -> [BorrowedFd<'_>; 2] {
        self.0.each_ref().map(|pipe| pipe.as_fd())
    }

    /// Waits for something that may not have been read yet; answers whether there can be more.
    pub(crate) async fn something(&self) -> bool {
        let [out, err] = &self.0;
        let heard = tokio::select! {
            heard = out.readable() => heard,
            heard = err.readable() => heard,
        };
        heard.is_ok() && Arc::strong_count(out) > 1
    }
}

/// The host's end of both pipes.
#[derive(Debug)]
pub(super) struct Output {
    streams: [Stream; 2],
    last_lines: std::collections::VecDeque<String>,
    /// What no line may show.
    mask: Mask,
}

#[derive(Debug)]
struct Stream {
    pipe: Arc<Receiver>,
    /// The worker's end. Open here, too, so that the pipe does not end when a worker closes it.
    end: OwnedFd,
    /// The beginning of a line whose end is still to come.
    partial: Vec<u8>,
}

impl Output {
    /// Makes the pipes.
    pub(super) fn new() -> io::Result<Self> {
        let stream = || {
            let (pipe, end) = pipe()?;
            Ok::<_, io::Error>(Stream {
                pipe: Arc::new(Receiver::from_owned_fd(pipe)?),
                end,
                partial: Vec::new(),
            })
        };
        Ok(Self {
            streams: [stream()?, stream()?],
            last_lines: std::collections::VecDeque::new(),
            mask: Mask::default(),
        })
    }

    /// What the worker writes to: as its standard output, and as its standard error.
    pub(super) fn ends(&self) -> [BorrowedFd<'_>; 2] {
        self.streams.each_ref().map(|stream| stream.end.as_fd())
    }

    /// Waits for output and tells it, line by line. Ends only with an error; may be dropped at any time.
    pub(super) async fn forward(&mut self, tell: &mut (dyn FnMut(String) + Send)) -> io::Error {
        loop {
            let [out, err] = &self.streams;
            let ready = tokio::select! {
                ready = out.pipe.readable() => ready.map(|()| 0),
                ready = err.pipe.readable() => ready.map(|()| 1),
            };
            let told = ready.and_then(|index| self.read(index, read_heard, tell));
            if let Err(error) = told {
                return error;
            }
        }
    }

    /// Tells what is there now, and ends the last lines.
    pub(super) fn drain(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        self.drain_lines(tell);
        self.end_lines(tell);
    }

    /// Tells the beginnings of lines whose ends have not come.
    pub(super) fn end_lines(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        for index in 0..self.streams.len() {
            let rest = std::mem::take(&mut self.streams[index].partial);
            if !rest.is_empty() {
                self.tell(&rest, tell);
            }
        }
    }

    /// Tells the lines that are there now; one that has no end yet waits for it.
    pub(super) fn drain_lines(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        for index in 0..self.streams.len() {
            // Of the pipe itself: the runtime may not have heard yet of what the worker wrote just before its answer. An
            // error here would have been told by `forward`; there is nothing more to read.
            let mut there = ioctl_fionread(&*self.streams[index].pipe).unwrap_or(0);
            // And no more: there may be somebody who never ends printing.
            while there > 0
                && let Ok(read @ 1..) = self.read(index, read_now, tell)
            {
                there = there.saturating_sub(read as u64);
            }
        }
    }

    /// Tells some of the lines that the runtime has heard of.
    pub(super) fn tell_heard(&mut self, tell: &mut (dyn FnMut(String) + Send)) {
        for index in 0..self.streams.len() {
            // As above.
            let _ = self.read(index, read_heard, tell);
        }
    }

    /// Hears when there is something to tell.
    pub(super) fn printed(&self) -> Printed {
        Printed(
            self.streams
                .each_ref()
                .map(|stream| Arc::clone(&stream.pipe)),
        )
    }

    /// Forgets the last lines: what comes from here on is somebody else's.
    pub(super) fn forget(&mut self) {
        self.last_lines.clear();
    }

    /// Hides texts in all lines from here on.
    pub(super) fn hide(&mut self, mask: Mask) {
        self.mask = mask;
    }

    /// The last lines that were told, oldest first.
    pub(super) fn last_lines(&self) -> impl Iterator<Item = &str> {
        self.last_lines.iter().map(String::as_str)
    }

    /// Reads once; answers how many bytes there were.
    fn read(
        &mut self,
        index: usize,
        read: impl FnOnce(&Receiver, &mut Vec<u8>) -> io::Result<usize>,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> io::Result<usize> {
        let Stream { pipe, partial, .. } = &mut self.streams[index];
        partial.reserve(PIECE);
        let read = match read(pipe, partial) {
            Ok(0) => return Ok(0),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut pending = std::mem::take(partial);
        let mut rest = &pending[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.tell(&rest[..end], tell);
            rest = &rest[end + 1..];
        }
        if rest.len() >= LONGEST_LINE {
            // What is hidden is seen whole.
            let cut = self.mask.cut(rest);
            if cut > 0 {
                self.tell(&rest[..cut], tell);
                rest = &rest[cut..];
            }
        }
        let told = pending.len() - rest.len();
        pending.drain(..told);
        self.streams[index].partial = pending;
        Ok(read)
    }

    fn tell(&mut self, line: &[u8], tell: &mut (dyn FnMut(String) + Send)) {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        let line = self.mask.apply(line);
        if self.last_lines.len() == LINES_KEPT {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.clone());
        tell(line);
    }
}

/// A pipe for what a worker prints: its reading end, which never blocks, and the other one.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (pipe, end) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    // The image's user need not be ours, and may open `/dev/stdout`.
    fchmod(&end, Mode::from_raw_mode(0o666))?;
    Ok((pipe, end))
}

/// Reads what is in a pipe, behind what was read before.
fn read_now(pipe: &Receiver, bytes: &mut Vec<u8>) -> io::Result<usize> {
    Ok(rustix::io::read(pipe, spare_capacity(bytes))?)
}

/// Likewise, where the runtime has heard that there is something. It listens anew once there is nothing more.
fn read_heard(pipe: &Receiver, bytes: &mut Vec<u8>) -> io::Result<usize> {
    pipe.try_io(|| read_now(pipe, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_that_was_printed_is_told_though_somebody_goes_on_printing() {
        let mut output = Output::new().unwrap();
        let [end, _] = output.ends().map(|end| end.try_clone_to_owned().unwrap());
        let mut end = File::from(end);
        writeln!(end, "first").unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let printing = {
            let has_ended = Arc::clone(&has_ended);
            std::thread::spawn(move || {
                while !has_ended.load(Ordering::Relaxed) {
                    let _ = end.write_all(b"and on\n");
                }
            })
        };
        while ioctl_fionread(&*output.streams[0].pipe).unwrap() < 1024 {
            std::thread::yield_now();
        }
        let mut lines = Vec::new();
        output.drain_lines(&mut |line| lines.push(line));
        has_ended.store(true, Ordering::Relaxed);
        drop(output);
        printing.join().unwrap();
        assert_eq!(lines[0], "first");
    }
}
