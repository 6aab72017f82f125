//! Tells the errors of a daemon apart.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use super::{Daemon, ENGINE};
use crate::digest::LayerId;
use crate::engine::{EngineError, Lacking};

impl Daemon {
    /// Turns what a request failed with into the error of `doing`.
    pub(super) fn failed(&self, doing: impl Into<String>) -> impl FnOnce(Error) -> EngineError {
        let (doing, address) = (doing.into(), self.address.clone());
        move |error| {
            if let Some(reason) = connection_lost(&error) {
                return EngineError::Unreachable {
                    engine: ENGINE,
                    address,
                    reason,
                    help: format!(
                        "{doing} was under way; see whether the daemon still runs, and try again"
                    ),
                };
            }
            let said = said(&error);
            if said.contains("no space left on device") {
                return EngineError::NoSpace { doing, place: None };
            }
            EngineError::Refused { doing, said }
        }
    }

    /// The same of a request that needs a layer: the layer may have gone since it was found.
    pub(super) fn failed_on(
        &self,
        layer: LayerId,
        doing: impl Into<String>,
    ) -> impl FnOnce(Error) -> EngineError {
        let doing = doing.into();
        move |error| match is_missing(&error) {
            true => Lacking::missing(layer).while_doing(doing),
            false => self.failed(doing)(error),
        }
    }
}

/// What stopped the reading of files: where the daemon was asked for something meanwhile, its error.
pub(super) fn of_files(error: io::Error) -> EngineError {
    error.downcast().unwrap_or_else(EngineError::Files)
}

/// The status code of an answer that is an error.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the daemon says that something does not exist.
pub(super) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// `Ok(None)` where the daemon says that the thing does not exist.
pub(super) fn optional<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the daemon said, without what the client adds.
pub(super) fn said(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "it gave no answer in time".to_owned(),
        other => other.to_string(),
    }
}

/// Why the connection failed, where that is what happened.
fn connection_lost(error: &Error) -> Option<String> {
    match error {
        Error::SocketNotFoundError(_) => Some("the socket is gone".to_owned()),
        Error::IOError { err } => Some(err.to_string()),
        Error::HyperResponseError { err } => Some(err.to_string()),
        // What happened is said at the bottom: all above it only say that a request was under way.
        Error::HyperLegacyError { err } => {
            let causes = std::iter::successors(err.source(), |&cause| cause.source());
            Some(causes.last().map_or(err.to_string(), ToString::to_string))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_failed_with_while_files_were_read_is_told_as_such() {
        let gone = EngineError::Unreachable {
            engine: ENGINE,
            address: "unix:///socket".to_owned(),
            reason: "it went away".to_owned(),
            help: "start it".to_owned(),
        };
        let text = gone.to_string();
        let error = of_files(io::Error::other(gone));
        assert!(
            matches!(error, EngineError::Unreachable { .. }),
            "{error:?}"
        );
        assert_eq!(error.to_string(), text);
        let error = of_files(io::ErrorKind::NotFound.into());
        assert!(matches!(error, EngineError::Files(_)), "{error:?}");
    }
}
