//! The socket over which a process asks a host for calls that it does not make itself: the second one of a worker, over which nothing goes
//! before one of its functions asks; or the one to a supervisor.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::serve::read_frame;
use crate::protocol::{self, FrameError, Header, Kind};

static ASKING: OnceLock<Arc<Asking>> = OnceLock::new();

/// See the module.
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
    let _ = ASKING.set(Arc::new(Asking::new(socket)));
}

/// Where this process asks for calls; nothing where it serves nobody.
pub(crate) fn asking() -> Option<Arc<Asking>> {
    ASKING.get().cloned()
}

/// Says that a call has ended that has asked for others.
pub(super) fn left(number: u64) {
    if let Some(asking) = ASKING.get() {
        // A host that does not hear it is gone.
        let _ = asking.tell(Kind::Left, number, &[]);
    }
}

impl Asking {
    /// Asks over a socket.
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self {
            socket: Mutex::new(socket),
        }
    }

    /// Sends a frame.
    pub(crate) fn tell(&self, kind: Kind, number: u64, parts: &[&[u8]]) -> Result<(), TellError> {
        let frame = protocol::encode(kind, number, parts)?;
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(socket.write_all(&frame)?)
    }

    /// Asks for nothing more. What is on its way here is heard.
    pub(crate) fn hang_up(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        // A host that is gone needs not be told.
        let _ = socket.shutdown(Shutdown::Write);
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
