//! What can go wrong at the border to an engine.

use std::io;
#[cfg(embedded)]
use std::path::Path;
use std::path::PathBuf;

use crate::base::oci::place::is_loopback;
use crate::base::oci::reference::{DOCKER_HUB, Reference};
use crate::digest::LayerId;
use crate::store::is_full;

/// An engine failed. The text says what happened and, where something can be done, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// `IMAGE_ENGINE` names an engine that does not exist.
    #[error(
        "there is no engine `{name}`\n  help: set `IMAGE_ENGINE` to one of {known}, or to `auto`"
    )]
    UnknownEngine {
        /// The name.
        name: String,
        /// The names of those there are.
        known: String,
    },
    /// Nothing answers.
    #[error("cannot reach {engine} at {address}: {reason}\n  help: {help}")]
    Unreachable {
        /// The engine's name, for people.
        engine: &'static str,
        /// Where it was looked for.
        address: String,
        /// What the attempt said.
        reason: String,
        /// How to mend it.
        help: String,
    },
    /// The engine is too old, or is something else.
    #[error("{product} {version} cannot be used: {reason}\n  help: {help}")]
    Unsupported {
        /// What answered.
        product: String,
        /// Its version.
        version: String,
        /// What is missing.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The engine answered with an error.
    #[error("{doing} failed: {said}")]
    Refused {
        /// What was being done: `saving the layer`.
        doing: String,
        /// What the engine said.
        said: String,
    },
    /// The layer that was to be used is not there, or not any more: whoever removed it, it can be made again.
    #[error("{doing} failed: {lacking}")]
    NoLayer {
        /// What was being done.
        doing: String,
        /// Which layer, and what is wrong with it.
        lacking: Lacking,
    },
    /// No disk space where the engine keeps its data.
    #[error("{doing} failed: no space is left on the disk{}\n  help: {}", of(.place), make_room(.place))]
    NoSpace {
        /// What was being done.
        doing: String,
        /// The engine's folder, where it is one of ours.
        place: Option<PathBuf>,
    },
    /// The registry does not let us see the image: it may be there or not.
    #[error("the registry refuses access to `{reference}`: {said}")]
    AccessDenied {
        /// The reference.
        reference: String,
        /// What the registry said.
        said: String,
    },
    /// The registry has no such image.
    #[error("there is no image `{reference}`: {said}")]
    NoSuchImage {
        /// The reference.
        reference: String,
        /// What the registry said.
        said: String,
    },
    /// The registry of an image cannot be reached.
    #[error(
        "the registry of `{reference}` cannot be reached: {said}\n  help: {}{}{}",
        reach(reference),
        of_daemon(*.by_daemon),
        mirror(reference)
    )]
    RegistryUnreachable {
        /// The reference.
        reference: String,
        /// Whether the engine's daemon asked for it, and not this program.
        by_daemon: bool,
        /// What the attempt said.
        said: String,
    },
    /// The registry that an image is to go to cannot be reached.
    #[error(
        "the registry of `{reference}` cannot be reached: {said}\n  help: {}",
        reach(reference)
    )]
    RegistryUnreachableForPush {
        /// The reference.
        reference: String,
        /// What the attempt said.
        said: String,
    },
    /// The engine sees other files than this machine's, and a copy of them does not do.
    #[error(
        "`{}` cannot be shown to a container: the daemon at {address} does not see the files of this machine\n  help: it runs on another \
         one, in a virtual machine or in a container; `Volume::from_name` keeps files where the daemon is, a file can be copied into the \
         image, and `IMAGE_ENGINE=embedded` needs no daemon",
        path.display()
    )]
    Elsewhere {
        /// What cannot be shown.
        path: PathBuf,
        /// Where the daemon is reached.
        address: String,
    },
    /// A limit of a container makes no sense, or cannot be kept on this machine.
    #[error("the `{limit}` limit cannot be kept: {reason}\n  help: {help}")]
    Limit {
        /// Which: `memory`, `pids`, `cpu`.
        limit: &'static str,
        /// Why not.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The layer is used by a container or by another layer.
    #[error("layer {layer} is in use")]
    InUse {
        /// The layer.
        layer: String,
    },
    /// The volume is used by a container.
    #[error("the volume `{name}` is in use\n  help: end the programs whose functions use it")]
    VolumeInUse {
        /// The volume.
        name: String,
    },
    /// The files of a layer could not be read.
    #[error(transparent)]
    Files(io::Error),
}

/// A layer that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer {} {what}", layer.short())]
pub struct Lacking {
    /// The layer.
    pub layer: LayerId,
    /// What is wrong with it.
    what: &'static str,
}

impl Lacking {
    /// A layer of which something is wrong: `has lost its files`.
    pub(crate) fn new(layer: LayerId, what: &'static str) -> Self {
        Self { layer, what }
    }

    /// One that is not there.
    pub(crate) fn missing(layer: LayerId) -> Self {
        Self::new(layer, "does not exist")
    }

    /// The error of `doing` something with it.
    pub(crate) fn while_doing(self, doing: impl Into<String>) -> EngineError {
        EngineError::NoLayer {
            doing: doing.into(),
            lacking: self,
        }
    }
}

#[cfg(embedded)]
impl From<Lacking> for io::Error {
    fn from(lacking: Lacking) -> Self {
        Self::new(io::ErrorKind::NotFound, lacking)
    }
}

/// Turns what the system said into the error of `doing`.
pub(super) fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> EngineError {
    let doing = doing.into();
    move |error| {
        if is_full(&error) {
            EngineError::NoSpace { doing, place: None }
        } else if let Some(lacking) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Lacking::while_doing(*lacking, doing)
        } else {
            let mut said = error.to_string();
            if said.contains("Too many open files") {
                said += "\n  help: allow this program more of them: `ulimit -n 1024`";
            }
            EngineError::Refused { doing, said }
        }
    }
}

impl EngineError {
    /// Says where no space is left, if that is what happened.
    #[cfg(embedded)]
    pub(super) fn on_disk_of(self, folder: &Path) -> Self {
        match self {
            Self::NoSpace { doing, .. } => Self::NoSpace {
                doing,
                place: Some(folder.to_owned()),
            },
            other => other,
        }
    }
}

fn of(place: &Option<PathBuf>) -> String {
    place
        .as_ref()
        .map(|place| format!(" of `{}`", place.display()))
        .unwrap_or_default()
}

/// What to look at where the registry of a reference is not reached.
fn reach(reference: &str) -> String {
    let registry = Reference::parse(reference).registry;
    match &*registry {
        DOCKER_HUB => "check the network and the proxy".to_owned(),
        here if is_loopback(here) => {
            format!(
                "`{here}` is this machine: start a registry there, or name another one; check the address and the proxy"
            )
        }
        other => format!("check the address `{other}`, the network and the proxy"),
    }
}

/// What else there is for an image that could not be fetched.
fn mirror(reference: &str) -> &'static str {
    match &*Reference::parse(reference).registry {
        DOCKER_HUB => {
            "; images of Docker Hub can come from a mirror, which `IMAGE_REGISTRY_MIRROR` names"
        }
        _ => "",
    }
}

fn of_daemon(by_daemon: bool) -> &'static str {
    match by_daemon {
        true => " of the daemon, which asks for it",
        false => "",
    }
}

fn make_room(place: &Option<PathBuf>) -> &'static str {
    match place {
        None => "free some space: `prune` removes layers that are not in use",
        Some(_) => {
            "free some space: `prune` removes what is not in use, and `IMAGE_STORE` can name another disk"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_open_files_are_told_with_what_to_do() {
        let error = io::Error::other(io::Error::from_raw_os_error(libc::EMFILE));
        let text = failed("starting")(error).to_string();
        assert!(
            text.starts_with("starting failed: Too many open files")
                && text.contains("\n  help: ")
                && text.contains("`ulimit -n"),
            "{text}"
        );
    }
}
