//! The host's side of a session: what its program is told, and what it says.

use std::io;

use tokio::sync::{mpsc, watch};

use super::error::CallFailure;
use super::host::{Worker, decoded, unexpected};
use crate::protocol::{INPUT_AHEAD, Kind, RunOutcome, Session, Size, value};

/// What a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Its terminal, or its standard output.
    Out,
    /// Its standard error.
    Err,
}

/// This side's ends of a session.
#[derive(Debug)]
pub(crate) struct Attached {
    /// Pieces of its input; it ends with the sender.
    pub(crate) input: mpsc::Receiver<Vec<u8>>,
    /// How large its terminal is, as that changes.
    pub(crate) size: watch::Receiver<Size>,
    /// Takes its output.
    pub(crate) output: mpsc::Sender<(Stream, Vec<u8>)>,
}

impl Worker {
    /// Runs a session to its end. Nothing where nobody takes its output any more.
    ///
    /// # Errors
    /// See [`CallFailure`]; a program that fails is a [`RunOutcome`].
    pub(crate) async fn attach(
        &mut self,
        session: &Session,
        ends: Attached,
    ) -> Result<Option<RunOutcome>, CallFailure> {
        match self.converse(session, ends).await? {
            Heard::Outcome(outcome) => Ok(Some(outcome)),
            Heard::Unread => Ok(None),
            Heard::Nothing => Err(self.end().await),
        }
    }

    async fn converse(
        &mut self,
        session: &Session,
        mut ends: Attached,
    ) -> Result<Heard, CallFailure> {
        let mut flow = self.flow(1).map_err(CallFailure::Connection)?;
        let number = flow.request(Kind::Session, 0, &[&encoded(session)?])?;
        let (mut ahead, mut is_open) = (0_u32, true);
        // All that the program says comes in frames.
        let mut nobody = |_| {};
        loop {
            let frames = tokio::select! {
                frames = flow.frames(&mut nobody) => frames?,
                piece = ends.input.recv(), if is_open && ahead < INPUT_AHEAD => {
                    ahead += 1;
                    is_open = piece.is_some();
                    flow.push(Kind::Input, number, &[&piece.unwrap_or_default()])?;
                    continue;
                }
                Ok(()) = ends.size.changed() => {
                    let size = *ends.size.borrow_and_update();
                    flow.push(Kind::Resize, number, &[&encoded(&size)?])?;
                    continue;
                }
            };
            let Some(frames) = frames else {
                return Ok(Heard::Nothing);
            };
            for (header, body) in frames {
                let stream = match header.kind {
                    Kind::Stdout => Stream::Out,
                    Kind::Stderr => Stream::Err,
                    Kind::InputTaken => {
                        let left = ahead.checked_sub(1);
                        ahead = left.ok_or_else(|| unexpected(Kind::InputTaken))?;
                        continue;
                    }
                    Kind::Ran => return Ok(Heard::Outcome(decoded(&body)?)),
                    other => return Err(unexpected(other)),
                };
                if ends.output.send((stream, body)).await.is_err() {
                    return Ok(Heard::Unread);
                }
            }
        }
    }
}

/// How a session ended, as this side heard of it.
enum Heard {
    Outcome(RunOutcome),
    /// Nobody takes its output.
    Unread,
    /// The worker closed its socket.
    Nothing,
}

fn encoded<T: serde::Serialize>(message: &T) -> Result<Vec<u8>, CallFailure> {
    value::encode(message).map_err(|reason| CallFailure::Connection(io::Error::other(reason)))
}
