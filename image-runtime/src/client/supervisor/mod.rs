//! Supervisors: this program once more, as a process that keeps the containers of its functions for other processes of the same build. They
//! ask it over a socket in the store, as functions in containers ask their host; to it they are such.
//!
//! One that was deployed stays until it is ended. One that tests share, which each have a process of their own, goes when it was not used for a
//! moment.

mod find;
mod keep;
mod printed;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub(super) use self::find::find;
pub(crate) use self::find::{Deployed, deploy, serve_here};
pub(crate) use self::keep::{is_supervisor, keep};
pub(crate) use self::printed::with_listeners;
pub(super) use self::printed::{Listener, dismiss_all};
use crate::digest::Hasher;
use crate::registry::Program;
use crate::worker::bundle;
use crate::{protocol, secrets};

/// Whose containers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Those of an app of this name, until it is ended.
    Deployed(&'static str),
    /// Those of the functions that tests call, as long as tests run.
    Shared,
}

/// What decides on the engine; who sets it otherwise means other containers.
const ENGINE_VARIABLES: [&str; 4] = [
    "IMAGE_ENGINE",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
];

/// The first word of each side, as the body of a [`Kind::Hello`](protocol::Kind::Hello).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Greeting {
    version: u32,
    build: String,
    /// What decides on what functions see, where processes must agree on that.
    surroundings: String,
}

impl Role {
    /// The app whose functions are deployed.
    pub(super) fn app(self) -> Option<&'static str> {
        match self {
            Self::Deployed(app) => Some(app),
            Self::Shared => None,
        }
    }

    /// One word for it.
    fn word(self) -> &'static str {
        match self {
            Self::Deployed(_) => "deployed",
            Self::Shared => "shared",
        }
    }

    /// The name of the socket. Nothing that is secret is in it.
    fn socket(self) -> String {
        let mut hasher = Hasher::new();
        for name in ENGINE_VARIABLES {
            let value = std::env::var_os(name).unwrap_or_default();
            hasher.update(value.as_encoded_bytes());
            hasher.update(&[0]);
        }
        match self {
            Self::Deployed(app) => hasher.update(app.as_bytes()),
            Self::Shared => hasher.update(build().as_bytes()),
        }
        format!("{}-{}", self.word(), hasher.finish().short())
    }

    fn greeting(self) -> Greeting {
        Greeting {
            version: protocol::VERSION,
            build: build(),
            surroundings: match self {
                // Functions see what it sees that was deployed.
                Self::Deployed(_) => String::new(),
                Self::Shared => surroundings(),
            },
        }
    }
}

/// The secrets of functions, hashed: who has others means other containers.
fn surroundings() -> String {
    let mut hasher = Hasher::new();
    if let Ok(program) = Program::get() {
        for function in program.functions() {
            // What cannot be read is told by the call that needs it.
            if let Ok(values) = secrets::values(&program.secrets_of(function)) {
                for (name, value) in values.env() {
                    hasher.update(format!("{}\0{name}={value}\0", function.name).as_bytes());
                }
            }
        }
    }
    hasher.finish().to_string()
}

/// What tells this build from others.
fn build() -> String {
    // One that cannot be read is no build that another process has.
    bundle::build_id(Path::new("/proc/self/exe")).unwrap_or_else(|error| error.to_string())
}
