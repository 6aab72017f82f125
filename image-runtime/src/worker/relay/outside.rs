//! The relay in the host.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::fs::{OFlags, fcntl_setfl};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, pipe};
use tokio::sync::mpsc;

use super::{BEGIN, Channel, HEAD, PIECE};

/// What a worker would have.
pub(in crate::worker) struct Ends {
    pub(in crate::worker) line: UnixStream,
    pub(in crate::worker) asking: UnixStream,
    pub(in crate::worker) stdout: OwnedFd,
    pub(in crate::worker) stderr: OwnedFd,
}

/// Relays, in the background, until one side is gone.
pub(in crate::worker) fn relay(
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
    output: mpsc::Receiver<Bytes>,
    ends: Ends,
) -> io::Result<()> {
    let (line, to_line) = ends.line.into_split();
    let (asking, to_asking) = ends.asking.into_split();
    let incoming = Incoming {
        output,
        pieces: BytesMut::new(),
        line: to_line,
        asking: to_asking,
        stdout: sender(ends.stdout)?,
        stderr: sender(ends.stderr)?,
    };
    tokio::spawn(async move {
        let outgoing = async {
            let (frames, mut next) = mpsc::channel::<Vec<u8>>(1);
            let reading = async {
                let asking = read(Channel::Asking, asking, frames.clone());
                // A host that has closed the line wants nothing more.
                tokio::select! {
                    () = read(Channel::Line, line, frames) => {}
                    () = async { asking.await; std::future::pending().await } => {}
                }
            };
            let writing = async {
                while let Some(frame) = next.recv().await {
                    input.write_all(&frame).await?;
                    input.flush().await?;
                }
                io::Result::Ok(())
            };
            tokio::select! {
                () = reading => {}
                _ = writing => {}
            }
        };
        tokio::select! {
            () = outgoing => {}
            // Its end is heard as that of the line.
            _ = incoming.run() => {}
        }
        // Whoever does not hear of it is gone.
        let _ = input.shutdown().await;
    });
    Ok(())
}

fn sender(end: OwnedFd) -> io::Result<pipe::Sender> {
    fcntl_setfl(&end, OFlags::NONBLOCK)?;
    pipe::Sender::from_owned_fd(end)
}

/// Makes frames of what comes from a socket, until it ends.
async fn read(channel: Channel, mut from: OwnedReadHalf, to: mpsc::Sender<Vec<u8>>) {
    let mut piece = vec![0; PIECE];
    loop {
        // An error is an end, too.
        let length = from.read(&mut piece).await.unwrap_or_default();
        if to.send(channel.frame(&piece[..length])).await.is_err() || length == 0 {
            break;
        }
    }
}

/// What comes from the container.
struct Incoming {
    output: mpsc::Receiver<Bytes>,
    pieces: BytesMut,
    line: OwnedWriteHalf,
    asking: OwnedWriteHalf,
    stdout: pipe::Sender,
    stderr: pipe::Sender,
}

impl Incoming {
    async fn pass_on(&mut self, channel: Channel, piece: &[u8]) -> io::Result<()> {
        match channel {
            Channel::Line if piece.is_empty() => self.line.shutdown().await,
            Channel::Line => self.line.write_all(piece).await,
            Channel::Asking if piece.is_empty() => self.asking.shutdown().await,
            Channel::Asking => self.asking.write_all(piece).await,
            Channel::Stdout => self.stdout.write_all(piece).await,
            Channel::Stderr => self.stderr.write_all(piece).await,
        }
    }

    /// Receives more; answers whether there was more.
    async fn more(&mut self) -> bool {
        let more = self.output.recv().await;
        self.pieces
            .extend_from_slice(more.as_deref().unwrap_or_default());
        more.is_some()
    }

    async fn run(mut self) -> io::Result<()> {
        loop {
            let begin = self
                .pieces
                .windows(BEGIN.len())
                .position(|piece| piece == BEGIN);
            if let Some(begin) = begin {
                self.pieces.advance(begin + BEGIN.len());
                break;
            }
            // Of what was printed before, the end may be its beginning.
            let before = self.pieces.len().saturating_sub(BEGIN.len());
            self.pieces.advance(before);
            if !self.more().await {
                return Ok(());
            }
        }
        loop {
            let Some(head) = self.pieces.first_chunk::<HEAD>().copied() else {
                if !self.more().await {
                    return Ok(());
                }
                continue;
            };
            let (channel, length) = Channel::of(head)?;
            while self.pieces.len() < HEAD + length {
                if !self.more().await {
                    return Ok(());
                }
            }
            self.pieces.advance(HEAD);
            let piece = self.pieces.split_to(length);
            let passed = self.pass_on(channel, &piece).await;
            // A host that hears no more of the others may go on with the line.
            if channel == Channel::Line {
                passed?;
            }
        }
    }
}
