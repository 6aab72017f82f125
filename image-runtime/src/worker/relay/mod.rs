//! The way to a worker that sees no socket of this machine: all that goes between the two is relayed over the standard input and output of
//! its container. The first process of the container is the relay `inside`, and the worker's host to the worker; in the host, `outside` is
//! the worker to it.
//!
//! The relay inside reads a question before the worker does: one that a worker has not read when it ends fails as one that it has.
//!
//! What a program prints before it finds out that it is a worker, as the harness of tests does, goes the same way. So the relay inside
//! begins with [`BEGIN`]; from there on, there is nothing but
//!
//! ```text
//! channel: u8    length: u32, little endian    so many bytes; none where the channel ends
//! ```

mod inside;
mod outside;

use std::io;

pub(super) use inside::Relay;
pub(super) use outside::{Ends, relay};

/// What was printed before it is not for the relay.
const BEGIN: &[u8] = b"\0image-runtime relay\n";

/// As many bytes are relayed at once.
const PIECE: usize = 64 * 1024;

const HEAD: usize = 5;

/// What is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Line,
    Asking,
    Stdout,
    Stderr,
}

impl Channel {
    /// Writes a piece of it.
    fn frame(self, piece: &[u8]) -> Vec<u8> {
        let length = u32::try_from(piece.len()).expect("pieces are short");
        let mut frame = Vec::with_capacity(HEAD + piece.len());
        frame.push(self as u8);
        frame.extend(length.to_le_bytes());
        frame.extend_from_slice(piece);
        frame
    }

    /// The channel of a piece, and how long it is.
    fn of([channel, length @ ..]: [u8; HEAD]) -> io::Result<(Self, usize)> {
        let channel = match channel {
            0 => Self::Line,
            1 => Self::Asking,
            2 => Self::Stdout,
            3 => Self::Stderr,
            other => {
                return Err(io::Error::other(format!("there is no channel {other}")));
            }
        };
        let length = u32::from_le_bytes(length) as usize;
        match length <= PIECE {
            true => Ok((channel, length)),
            false => Err(io::Error::other(format!("a piece of {length} bytes"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_whose_piece_it_is() {
        for channel in [
            Channel::Line,
            Channel::Asking,
            Channel::Stdout,
            Channel::Stderr,
        ] {
            let frame = channel.frame(b"text");
            let (head, piece) = frame.split_first_chunk().unwrap();
            assert_eq!(Channel::of(*head).unwrap(), (channel, 4));
            assert_eq!(piece, b"text");
        }
        let error = Channel::of([4, 0, 0, 0, 0]).unwrap_err().to_string();
        assert!(error.contains("channel 4"), "{error}");
        let error = Channel::of([0, 1, 0, 1, 0]).unwrap_err().to_string();
        assert!(error.contains("65537 bytes"), "{error}");
    }
}
