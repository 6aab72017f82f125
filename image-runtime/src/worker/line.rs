//! The host's end of the socket to a worker: a question goes, an answer comes.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::spin::Spin;
use crate::protocol::{HEADER_LENGTH, Header, memory};

/// How long this thread itself waits for an answer, where the last one came as soon: the kernel then switches from the one
/// who asks to the one who answers and back, and no other thread has to be woken. Nothing else of an executor's thread runs
/// meanwhile, so it is as short as a function that does nothing much.
const SOON: Duration = Duration::from_micros(100);

/// How long it waits where the last [`STEADY`] answers came soon. So much is cheaper than less: the timer is not the next one of the core,
/// which a virtual machine would have to be told of, since that of the scheduler's tick comes first.
const STEADILY: Duration = Duration::from_millis(5);

/// So many answers that come soon, one after the other, let expect the same of the next.
const STEADY: u32 = 16;

/// What still counts as soon: an answer of which the runtime had to tell comes later for that alone.
const STILL_SOON: Duration = Duration::from_micros(500);

/// How long the parts of a large frame are waited for on this thread, one after the other, before others of its executor have their turn.
const IN_A_ROW: Duration = Duration::from_millis(1);

/// Room for an answer that is read at once. It is a part of each future that waits for one.
const SHORT: usize = 512;

/// A socket to a worker. The runtime hears of it only while it is waited for.
#[derive(Debug)]
pub(super) struct Line {
    socket: UnixStream,
    /// How many answers came soon, one after the other.
    soon: u32,
    spin: Spin,
}

impl Line {
    /// Of a socket that never blocks.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            soon: 1,
            spin: Spin::default(),
        }
    }

    /// Whether nothing was heard from the other side, not even its end.
    pub(super) fn is_quiet(&self) -> bool {
        let heard = recv(
            &self.socket,
            &mut [0],
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        );
        matches!(heard, Err(Errno::WOULDBLOCK))
    }

    /// Sends frames that lie in parts.
    pub(super) async fn tell(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut waiting = Waiting::new(&self.socket);
        let mut parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut parts[..];
        // Empty parts are no parts.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(
                &self.socket,
                rest,
                &mut SendAncillaryBuffer::default(),
                flags,
            ) {
                Ok(sent) => {
                    IoSlice::advance_slices(&mut rest, sent);
                    waiting.goes_on();
                }
                Err(Errno::WOULDBLOCK) => waiting.until(Interest::WRITABLE).await?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Hears the answer to what was told, and how soon it came. Answers, too, whether it came alone: nothing was in what is watched
    /// `beside` the socket, to which the other side had written before.
    pub(super) async fn answer(
        &mut self,
        beside: [BorrowedFd<'_>; 2],
    ) -> io::Result<(Option<(Header, Vec<u8>)>, bool)> {
        let [one, other] = beside;
        // They are looked at in this order, so what was written before the answer is seen where the answer is.
        let mut watched = [self.socket.as_fd(), one, other]
            .map(|watched| PollFd::from_borrowed_fd(watched, PollFlags::IN));
        let told = self.spin.begin(&mut watched);
        if self.soon > 0 && !told.has_come {
            let limit = match self.soon {
                STEADY.. => STEADILY,
                _ => SOON,
            };
            // Whatever came of it is found out by reading.
            if is_ready(&mut watched, limit) && watched[0].revents().is_empty() {
                let _ = is_ready(&mut watched[..1], limit);
            }
        }
        let is_there = watched.map(|watched| !watched.revents().is_empty());
        let heard = self.hear().await;
        self.spin.end(&told);
        self.soon = match told.at.elapsed() < STILL_SOON {
            true => self.soon.saturating_add(1),
            false => 0,
        };
        Ok((heard?, is_there == [true, false, false]))
    }

    /// The socket, and that the runtime watches it in both directions.
    pub(super) fn watched(&self) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
        watched(&self.socket, Interest::READABLE | Interest::WRITABLE)
    }

    /// Receives a frame; nothing where the other side has closed the socket.
    pub(super) async fn hear(&self) -> io::Result<Option<(Header, Vec<u8>)>> {
        let mut waiting = Waiting::new(&self.socket);
        let mut short = [0; SHORT];
        let mut length = 0;
        let header = loop {
            if let Some(header) = short[..length].first_chunk() {
                break Header::from_bytes(*header).map_err(io::Error::other)?;
            }
            let received = waiting
                .received(|socket| recv(socket, &mut short[length..], RecvFlags::DONTWAIT))
                .await?;
            if received == 0 {
                return Ok(None);
            }
            length += received;
        };
        let whole = header.length as usize;
        let mut body = Vec::new();
        memory::reserve(&mut body, whole).map_err(io::Error::other)?;
        body.extend_from_slice(&short[HEADER_LENGTH..length]);
        waiting.goes_on();
        while body.len() < whole {
            let received = waiting
                .received(|socket| recv(socket, spare_capacity(&mut body), RecvFlags::DONTWAIT))
                .await?;
            if received == 0 {
                return Ok(None);
            }
        }
        if body.len() > whole {
            return Err(io::Error::other("more was said than was asked for"));
        }
        Ok(Some((header, body)))
    }
}

/// Waits on this thread until one is ready, for so long at most.
fn is_ready(watched: &mut [PollFd<'_>], limit: Duration) -> bool {
    let limit = Timespec {
        tv_sec: 0,
        tv_nsec: limit.subsec_nanos().into(),
    };
    poll(watched, Some(&limit)).is_ok_and(|ready| ready > 0)
}

fn watched(socket: &UnixStream, interest: Interest) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    #[expect(
        unsafe_code,
        reason = "tokio cannot see that a borrowed socket stays open"
    )]
    // SAFETY: the socket is borrowed for longer than the value lives, so it is open until then.
    unsafe { AsyncFd::register_with_interest(socket.as_fd(), interest) }.map_err(Into::into)
}

/// Waits for a socket, and is registered with the runtime from the first time on.
struct Waiting<'a> {
    socket: &'a UnixStream,
    registered: Option<AsyncFd<BorrowedFd<'a>>>,
    /// In the middle of a frame, since when this thread has waited for its parts.
    under_way: Option<Instant>,
}

impl<'a> Waiting<'a> {
    fn new(socket: &'a UnixStream) -> Self {
        Self {
            socket,
            registered: None,
            under_way: None,
        }
    }

    /// The other side is at work on the same frame, so that it is quickest to wait for it here.
    fn goes_on(&mut self) {
        self.under_way.get_or_insert_with(Instant::now);
    }

    async fn until(&mut self, interest: Interest) -> io::Result<()> {
        if let Some(since) = &mut self.under_way {
            if since.elapsed() >= IN_A_ROW {
                tokio::task::yield_now().await;
                *since = Instant::now();
            }
            let what = match interest.is_writable() {
                true => PollFlags::OUT,
                false => PollFlags::IN,
            };
            if is_ready(&mut [PollFd::new(self.socket, what)], SOON) {
                return Ok(());
            }
        }
        let registered = match &mut self.registered {
            Some(registered) => registered,
            none => none.insert(watched(self.socket, interest)?),
        };
        registered.ready(interest).await?.clear_ready();
        Ok(())
    }

    /// Receives what there is, by `receive`; waits until there is something.
    async fn received(
        &mut self,
        mut receive: impl FnMut(&UnixStream) -> rustix::io::Result<(usize, usize)>,
    ) -> io::Result<usize> {
        loop {
            match receive(self.socket) {
                Ok((received, _)) => return Ok(received),
                Err(Errno::WOULDBLOCK) => self.until(Interest::READABLE).await?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::protocol::Kind;

    /// A line, and a worker's end of it.
    fn line() -> (Line, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Line::new(ours), theirs)
    }

    #[tokio::test]
    async fn an_answer_is_not_alone_after_something_was_written_beside_it() {
        let (mut line, mut theirs) = line();
        let (mut printed, mut print) = io::pipe().unwrap();
        let (never_printed, _open) = io::pipe().unwrap();
        let rounds = 1000;
        let worker = std::thread::spawn(move || {
            for round in 0..rounds {
                let mut asked = [0; HEADER_LENGTH];
                theirs.read_exact(&mut asked).unwrap();
                if round % 2 == 0 {
                    print.write_all(b"x").unwrap();
                }
                theirs.write_all(&asked).unwrap();
            }
        });
        for round in 0..rounds {
            let asked = Header::new(Kind::Call, round, 0).unwrap();
            line.tell(&[&asked.to_bytes()]).await.unwrap();
            let beside = [printed.as_fd(), never_printed.as_fd()];
            let (answer, is_alone) = line.answer(beside).await.unwrap();
            assert_eq!(answer.unwrap().0.number, round);
            if round % 2 == 0 {
                assert!(!is_alone);
                printed.read_exact(&mut [0]).unwrap();
            }
        }
        worker.join().unwrap();
    }

    #[tokio::test]
    async fn a_question_that_nobody_read_is_told_from_one_that_was_read() {
        for reads in [false, true] {
            let (mut line, mut theirs) = line();
            let asked = Header::new(Kind::Call, 1, 0).unwrap().to_bytes();
            line.tell(&[&asked]).await.unwrap();
            if reads {
                theirs.read_exact(&mut [0; HEADER_LENGTH]).unwrap();
            }
            drop(theirs);
            let (_open, never_printed) = (io::pipe().unwrap(), io::pipe().unwrap().0);
            let beside = [never_printed.as_fd(), never_printed.as_fd()];
            match line.answer(beside).await {
                Ok((answer, _)) => assert!(reads && answer.is_none()),
                Err(error) => {
                    assert!(!reads);
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                }
            }
        }
    }

    #[tokio::test]
    async fn others_have_their_turns_while_a_large_frame_goes() {
        let (line, mut theirs) = line();
        let frame = vec![7; 64 << 20];
        let length = frame.len();
        let reader = std::thread::spawn(move || {
            let mut read = vec![0; length];
            theirs.read_exact(&mut read).unwrap();
            read
        });
        let (turns, is_told) = (Cell::new(0), Cell::new(false));
        let telling = async {
            line.tell(&[&frame]).await.unwrap();
            is_told.set(true);
        };
        let others = async {
            while !is_told.get() {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(telling, others);
        assert!(reader.join().unwrap() == frame);
        assert!(turns.get() > 1, "{turns:?}");
    }
}
