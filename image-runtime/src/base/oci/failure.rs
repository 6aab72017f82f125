//! Why an image could not be had from a registry, and which error of an engine that is.

use std::error::Error;
use std::fmt;

use reqwest::StatusCode;

use crate::base::download::DownloadError;
use crate::engine::EngineError;
use crate::store::{StoreError, is_full};

/// The most of what a registry says of an error that is told on.
const MOST_SAID: usize = 300;

/// What kind of failure it is: what a caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nobody answers: the image may be had elsewhere.
    Unreachable,
    /// It answers, but was not able to: a moment later it may be.
    Failing,
    /// The registry has no such image.
    Missing,
    /// The registry does not show it to us.
    Denied,
    /// What it sent is wrong.
    Wrong,
    /// This machine is to blame. No other registry would help.
    Local,
    /// The disk is full.
    NoSpace,
}

/// An image could not be had from one registry, or from several. The text is one line and holds no secret.
#[derive(Debug)]
pub(super) struct Failure {
    kind: Kind,
    said: String,
}

impl Failure {
    pub(super) fn unreachable(said: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, said)
    }

    pub(super) fn missing(said: impl Into<String>) -> Self {
        Self::new(Kind::Missing, said)
    }

    pub(super) fn wrong(said: impl Into<String>) -> Self {
        Self::new(Kind::Wrong, said)
    }

    pub(super) fn local(said: impl Into<String>) -> Self {
        Self::new(Kind::Local, said)
    }

    fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self {
            kind,
            said: said.into(),
        }
    }

    /// An answer that is an error, with what it says.
    pub(super) fn answered(status: StatusCode, body: &[u8]) -> Self {
        let kind = kind_of(status);
        match message(body) {
            Some(message) => Self::new(kind, message),
            None => Self::new(kind, format!("it answers {status}")),
        }
    }

    /// Whether other registries may be asked in place of this one.
    pub(super) fn is_of_the_registry(&self) -> bool {
        !matches!(self.kind, Kind::Local | Kind::NoSpace)
    }

    /// Whether the same registry may have a better answer a moment later.
    pub(super) fn is_passing(&self) -> bool {
        self.kind == Kind::Failing
    }

    /// Whether the same may go well a moment later, where nobody else can be asked.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Failing | Kind::Unreachable)
    }

    /// Whether other credentials may help.
    pub(super) fn is_denied(&self) -> bool {
        self.kind == Kind::Denied
    }

    /// Names the registry that it is of.
    #[must_use]
    pub(super) fn at(self, host: &str) -> Self {
        Self {
            said: format!("`{host}`: {}", self.said),
            ..self
        }
    }

    /// Puts what an earlier registry said before this. The later one decides what the failure is.
    #[must_use]
    pub(super) fn after(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) => Self {
                said: format!("{}; {}", earlier.said, self.said),
                ..self
            },
            None => self,
        }
    }

    /// Says one thing more.
    #[must_use]
    pub(super) fn and(self, more: &str) -> Self {
        Self {
            said: format!("{} ({more})", self.said),
            ..self
        }
    }

    /// The error of an engine, for what it was doing (`pulling`) with an image.
    pub(super) fn told(self, doing: &str, reference: &str) -> EngineError {
        let (reference, said) = (reference.to_owned(), self.said);
        let doing = format!("{doing} `{reference}`");
        match self.kind {
            Kind::Unreachable | Kind::Failing => EngineError::RegistryUnreachable {
                reference,
                by_daemon: false,
                said,
            },
            Kind::Missing => EngineError::NoSuchImage { reference, said },
            Kind::Denied => EngineError::AccessDenied { reference, said },
            Kind::Wrong | Kind::Local => EngineError::Refused { doing, said },
            Kind::NoSpace => EngineError::NoSpace { doing, place: None },
        }
    }
}

impl Failure {
    /// The error of an engine, for an image that could not be pushed.
    pub(super) fn told_of_push(self, reference: &str) -> EngineError {
        match self.kind {
            // What is missing is no image here: the registry has no such repository, or takes nothing.
            Kind::Missing | Kind::Denied => EngineError::Refused {
                doing: format!("pushing `{reference}`"),
                said: self.said,
            },
            Kind::Unreachable | Kind::Failing => EngineError::RegistryUnreachableForPush {
                reference: reference.to_owned(),
                said: self.said,
            },
            _ => self.told("pushing", reference),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        match &error {
            DownloadError::Unreachable { source, .. } => Self::unreachable(cause(source)),
            DownloadError::Broken { source, .. } => {
                let said = format!("the connection broke: {}", cause(source));
                Self::new(Kind::Failing, said)
            }
            DownloadError::CutShort { .. } => Self::new(Kind::Failing, line(&error)),
            DownloadError::Status { status, .. } => Self::new(kind_of(*status), line(&error)),
            DownloadError::Missing { .. } => Self::missing(line(&error)),
            DownloadError::Login { .. } => Self::new(Kind::Denied, line(&error)),
            DownloadError::WrongSize { .. } | DownloadError::WrongChecksum { .. } => {
                Self::wrong(line(&error))
            }
            DownloadError::Disk { source, .. } if is_full(source) => {
                Self::new(Kind::NoSpace, "no space is left on the disk")
            }
            DownloadError::Disk { source, .. } => Self::local(format!("{error}: {source}")),
            DownloadError::Store(StoreError::NoSpace { .. }) => {
                Self::new(Kind::NoSpace, "no space is left on the disk")
            }
            DownloadError::Store(error) => Self::local(error.to_string()),
            DownloadError::Client { source } => {
                Self::local(format!("{}: {}", line(&error), cause(source)))
            }
        }
    }
}

/// What an answer with a status means. Too many requests are like a registry that is not there: later it answers.
fn kind_of(status: StatusCode) -> Kind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Denied,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Kind::Failing,
        status if status.is_client_error() => Kind::Missing,
        _ => Kind::Failing,
    }
}

/// What an error says before its help.
fn line(error: &dyn Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// What lies at the bottom of an error.
fn cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    line(cause)
}

/// What a registry says in the body of an error: `{"errors": [{"message": …}]}`.
fn message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let first = &body["errors"][0];
    let text = first["message"]
        .as_str()
        .filter(|text| !text.is_empty())
        .or_else(|| first["code"].as_str())?;
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MOST_SAID)
        .collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_is_not_there_is_told_from_a_registry_that_is_not() {
        let error = |status: u16| {
            Failure::answered(StatusCode::from_u16(status).unwrap(), b"").told("pulling", "a")
        };
        for status in [500, 502, 503, 504, 429, 408, 304] {
            let error = error(status);
            assert!(
                matches!(error, EngineError::RegistryUnreachable { .. }),
                "{status}"
            );
        }
        for status in [400, 404, 410] {
            let error = error(status);
            assert!(matches!(error, EngineError::NoSuchImage { .. }), "{status}");
        }
        for status in [401, 403] {
            let error = error(status);
            assert!(
                matches!(error, EngineError::AccessDenied { .. }),
                "{status}"
            );
        }
    }

    #[test]
    fn what_a_registry_says_is_told_in_one_line() {
        let body =
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest\nunknown\u001b[1m"}]}"#;
        let failure = Failure::answered(StatusCode::NOT_FOUND, body);
        assert_eq!(failure.to_string(), "manifest unknown [1m");
        for body in [
            "",
            "<html>",
            r#"{"errors":[]}"#,
            r#"{"errors":[{"message":""}]}"#,
        ] {
            let failure = Failure::answered(StatusCode::NOT_FOUND, body.as_bytes());
            assert_eq!(failure.to_string(), "it answers 404 Not Found", "{body}");
        }
    }

    #[test]
    fn the_last_registry_decides_and_all_are_named() {
        let mirror = Failure::missing("none").at("m:5000");
        let failure = Failure::unreachable("no answer")
            .at("hub")
            .after(Some(mirror));
        let error = failure.told("pulling", "debian");
        let EngineError::RegistryUnreachable { said, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(said, "`m:5000`: none; `hub`: no answer");
    }
}
