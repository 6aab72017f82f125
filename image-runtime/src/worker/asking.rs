//! The second socket of a worker, over which its functions ask the host for calls. Nothing goes over it before one does.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::serve::read_frame;
use crate::protocol::{self, FrameError, Header, Kind};

static ASKING: OnceLock<Asking> = OnceLock::new();

/// The socket.
#[derive(Debug)]
pub(crate) struct Asking {
    socket: Mutex<UnixStream>,
}

/// A frame could not be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    /// It is too long.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Nobody hears it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) fn open(socket: UnixStream) {
    let _ = ASKING.set(Asking {
        socket: Mutex::new(socket),
    });
}

/// Where this process asks for calls; nothing where it serves nobody.
pub(crate) fn asking() -> Option<&'static Asking> {
    ASKING.get()
}

/// Says that a call has ended that has asked for others.
pub(super) fn left(number: u64) {
    if let Some(asking) = ASKING.get() {
        // A host that does not hear it is gone.
        let _ = asking.tell(Kind::Left, number, &[]);
    }
}

impl Asking {
    /// Sends a frame.
    pub(crate) fn tell(&self, kind: Kind, number: u64, parts: &[&[u8]]) -> Result<(), TellError> {
        let frame = protocol::encode(kind, number, parts)?;
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(socket.write_all(&frame)?)
    }

    /// Hears frames until the host is gone.
    pub(crate) fn listen(&self, mut hear: impl FnMut(Header, Vec<u8>)) -> io::Result<()> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listening = io::BufReader::new(socket.try_clone()?);
        drop(socket);
        while let Some((header, body)) = read_frame(&mut listening)? {
            hear(header, body);
        }
        Ok(())
    }
}
