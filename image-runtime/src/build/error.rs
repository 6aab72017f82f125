//! Why an image could not be built.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::debian::DebianError;
use crate::base::download::DownloadError;
use crate::base::python::standalone::StandaloneError;
use crate::base::uv::UvError;
use crate::context::ContextError;
use crate::digest::Digest;
use crate::engine::EngineError;
use crate::plan::LockError;
use crate::plan::WordError;
use crate::protocol::RunOutcome;
use crate::secrets::SecretError;
use crate::spec::Place;
use crate::store::StoreError;
use crate::worker::{CallFailure, StartError, last_lines_text};

/// An image could not be built. The text says at which step, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A build container could not be started.
    #[error("a container to build in could not be started")]
    Start(#[from] StartError),
    /// A build container ended in the middle of a command.
    #[error("the container that built was lost")]
    Container(#[from] CallFailure),
    /// A command of a step failed.
    #[error(transparent)]
    Step(Box<StepFailed>),
    /// Local files could not be read.
    #[error("{place}: `{verb}` cannot read its files")]
    Files {
        /// Where the `image!` stands.
        place: Place,
        /// The verb.
        verb: &'static str,
        /// Which file, and why.
        source: Box<ContextError>,
    },
    /// A word of a Dockerfile has no value.
    #[error(transparent)]
    Word(#[from] WordError),
    /// What an `ADD` names cannot be had.
    #[error("`ADD {url}` cannot be fetched")]
    Fetch {
        /// The address.
        url: String,
        /// Why not.
        source: DownloadError,
    },
    /// What an `ADD` names is not what is locked.
    #[error(
        "`ADD {url}` brings another file than `image.lock` says: SHA-256 {got} instead of {expected}\n  help: `lock --update` takes in what it holds today"
    )]
    OtherFile {
        /// The address.
        url: String,
        /// The SHA-256 of what it holds.
        got: Digest,
        /// What is locked.
        expected: Digest,
    },
    /// What an `ADD` names has no name of its own.
    #[error("`ADD {url}` names no file\n  help: an address ends with the name of a file")]
    NoName {
        /// The address.
        url: String,
    },
    /// A command cannot be lent what it is to see.
    #[error(
        "step `{step}` failed: {reason}\n  help: a secret is named by a variable of `secrets`, and shown at a path of its own; `required=false` makes it optional"
    )]
    Mount {
        /// The step, as people write it.
        step: String,
        /// What is wrong.
        reason: String,
    },
    /// Files cannot belong to whom they should.
    #[error(
        "step `{step}` failed: {reason}\n  help: make it in an earlier `RUN`, or write its number"
    )]
    Owner {
        /// The step, as people write it.
        step: String,
        /// What is wrong.
        reason: String,
    },
    /// The Debian archive gave no base.
    #[error(
        "Debian {suite} cannot be had from the archive, and no registry answers{}",
        mirror_help(source)
    )]
    Debian {
        /// The suite.
        suite: String,
        /// What the archive said.
        source: DebianError,
    },
    /// The store lost what the archive resolved to.
    #[error(
        "the list of packages of Debian {suite} is no longer in the store\n  help: `build --pull` makes a new one"
    )]
    PackageList {
        /// The suite.
        suite: String,
    },
    /// Neither a registry nor the suite nor the mirror of standalone ones has this Python.
    #[error(
        "Python {asked} cannot be had: no registry answers, Debian {suite} itself has Python {has} only, and no standalone one is found\n  \
         help: {}, or set `IMAGE_PYTHON_MIRROR` to a mirror that has it, or `IMAGE_REGISTRY_MIRROR` to a registry that has `{reference}`",
        python_help(has, *accepted)
    )]
    Python {
        /// The version asked for.
        asked: String,
        /// The suite.
        suite: String,
        /// The version the suite has.
        has: String,
        /// Whether the builder version takes its series.
        accepted: bool,
        /// The image that would have it.
        reference: String,
        /// What was said of standalone ones.
        source: Box<StandaloneError>,
    },
    /// A standalone Python for an image cannot be had.
    #[error(
        "a standalone Python {asked} cannot be had\n  help: set `IMAGE_PYTHON_MIRROR` to a mirror that has it"
    )]
    Standalone {
        /// The version asked for.
        asked: String,
        /// What was said.
        source: Box<StandaloneError>,
    },
    /// No Python runs in it.
    #[error(
        "`add_python` cannot put a Python into {base}: it has neither glibc nor musl\n  \
         help: start from an image that has one, such as `debian:bookworm-slim`"
    )]
    NoLibc {
        /// The base.
        base: String,
    },
    /// The tool that installs Python packages could not be had.
    #[error("the tool that installs Python packages cannot be had")]
    Uv(#[from] UvError),
    /// A function that runs while the image is built took too long.
    #[error(
        "step `{step}` of image `{image}` did not end within {limit:?}\n  help: give the function more with `timeout = \"…\"`"
    )]
    TimedOut {
        /// The image, as people call it.
        image: String,
        /// The step, as people write it.
        step: String,
        /// What it was given.
        limit: std::time::Duration,
    },
    /// A secret of a step cannot be had.
    #[error("step `{step}` of image `{image}` cannot be made")]
    Secret {
        /// The image, as people call it.
        image: String,
        /// The step, as people write it.
        step: String,
        /// Which, and why.
        source: SecretError,
    },
    /// A directory that is to be a channel of conda is not there.
    #[error(
        "step `{step}` cannot take packages from the channel `{channel}`: `{}` cannot be read\n  \
         help: the directory holds `noarch/repodata.json`; that of a channel’s name lies in the one that `IMAGE_CONDA_MIRROR` names",
        path.display()
    )]
    Channel {
        /// The step.
        step: String,
        /// The channel, as written.
        channel: String,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A variable stands for nothing.
    #[error(
        "step `{step}` names `${{{name}}}`, and neither its secrets nor the image’s environment have such a variable\n  \
         help: add `secrets = [Secret::from_env(\"{name}\")]` to the step"
    )]
    NoVariable {
        /// The step.
        step: String,
        /// The variable.
        name: String,
    },
    /// The lock cannot be read.
    #[error("`{}` cannot be read\n  help: `lock` writes it", path.display())]
    NoLock {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock cannot be used.
    #[error("`{}` cannot be used", path.display())]
    Lock {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: LockError,
    },
    /// A step did not bring what is locked.
    #[error(
        "step `{step}` of image `{image}` does not bring what `image.lock` says:\n  {}\n  help: `lock --update` renews it",
        differences.join("\n  ")
    )]
    Unlocked {
        /// The image.
        image: String,
        /// The step.
        step: String,
        /// What is missing and what is too much.
        differences: Vec<String>,
    },
    /// It is known of which image, and the reason does not say so.
    #[error("image {} cannot be built", named(image, place))]
    Image {
        /// The image, as people call it.
        image: String,
        /// Where its `image!` stands.
        place: Place,
        /// Why.
        source: Box<BuildError>,
    },
    /// Another one waited for the same layer, and it failed.
    #[error(transparent)]
    Shared(Arc<BuildError>),
}

/// A command of a step did not end well.
#[derive(Debug, thiserror::Error)]
#[error(
    "step `{step}` of image `{image}` failed: {}\n  command: {command}{}{}",
    outcome_text(outcome),
    last_lines_text(last_lines),
    help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default()
)]
pub struct StepFailed {
    /// The image, as people call it.
    pub image: String,
    /// The step, as people write it.
    pub step: String,
    /// The command.
    pub command: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// What it printed last.
    pub last_lines: Vec<String>,
    /// What to do, where that is known.
    pub help: Option<String>,
}

fn python_help(has: &str, accepted: bool) -> String {
    if accepted {
        let series = has.rsplit_once('.').map_or(has, |(series, _)| series);
        format!("write `python_version = \"{series}\"`")
    } else {
        "leave `builder_version` out, or write one whose Debian has a Python that it takes".into()
    }
}

/// An image by its name and its place, which may be its name.
fn named(image: &str, place: &Place) -> String {
    let place = place.to_string();
    match place == image {
        true => format!("`{image}`"),
        false => format!("`{image}` ({place})"),
    }
}

impl BuildError {
    /// Says which image could not be built, where that is not said yet.
    pub(super) fn of(self, image: String, place: Place) -> Self {
        if self.says_where() {
            return self;
        }
        Self::Image {
            image,
            place,
            source: Box::new(self),
        }
    }

    /// Whether the text names the image or its place, or it is all images that cannot be built.
    fn says_where(&self) -> bool {
        match self {
            Self::Step(_)
            | Self::TimedOut { .. }
            | Self::Secret { .. }
            | Self::Unlocked { .. }
            | Self::Files { .. }
            | Self::NoLock { .. }
            | Self::Lock { .. }
            | Self::Image { .. } => true,
            Self::Shared(error) => error.says_where(),
            _ => false,
        }
    }

    /// Whether a layer was to be used that is not there any more.
    pub(super) fn is_of_lost_layer(&self) -> bool {
        match self {
            Self::Engine(error) | Self::Start(StartError::Engine(error)) => {
                matches!(error, EngineError::NoLayer { .. })
            }
            Self::Image { source, .. } => source.is_of_lost_layer(),
            Self::Shared(error) => error.is_of_lost_layer(),
            _ => false,
        }
    }

    /// No base comes from the Debian archive: for the archive's reason, or for the store's.
    pub(super) fn debian(suite: &str, source: DebianError) -> Self {
        match source {
            DebianError::Download(DownloadError::Store(error)) => Self::Store(error),
            source => Self::Debian {
                suite: suite.to_owned(),
                source,
            },
        }
    }
}

fn mirror_help(source: &DebianError) -> &'static str {
    match source {
        DebianError::Download(_) => {
            "\n  help: set `IMAGE_REGISTRY_MIRROR` or `IMAGE_DEBIAN_MIRROR` to a mirror that can be reached"
        }
        _ => "",
    }
}

fn outcome_text(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Exited(code) => format!("exit code {code}"),
        RunOutcome::Signaled(signal) => crate::worker::exit_text(&crate::engine::Exit {
            code: i64::from(128 + signal),
            ..crate::engine::Exit::default()
        }),
        RunOutcome::NotFound(reason) | RunOutcome::NotStarted(reason) => reason.clone(),
    }
}
