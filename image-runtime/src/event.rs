//! What happens, told by the conduct (`build/`, `client/`) and folded by the face (`ui/`). Pure data.

use std::time::Duration;

use crate::digest::LayerId;

/// Something that happened. The face decides whether and how to show it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This program is about to build or to call for the first time.
    Begun,
    /// A build of images begins: how many layers are to be built.
    BuildStarted {
        /// Layers that have to be built.
        layers: usize,
    },
    /// A layer begins to be built.
    LayerStarted {
        /// The layer.
        layer: LayerId,
        /// What it is, for people: `apt_install(git, curl)`.
        title: String,
        /// The image that it was first needed for, as people call it.
        image: String,
    },
    /// Downloads for a layer begin while one below it is built.
    FetchStarted {
        /// The layer that will need them.
        layer: LayerId,
        /// What it is, for people.
        title: String,
        /// The image that it is needed for, as people call it.
        image: String,
    },
    /// They have ended.
    FetchEnded {
        /// The layer that will need them.
        layer: LayerId,
        /// Whether all is there that its step needs. If not, that is no error: the step may need what earlier ones make.
        is_there: bool,
    },
    /// How far a download or an unpacking of the layer is.
    LayerProgress {
        /// The layer.
        layer: LayerId,
        /// What is being done: `downloading packages`.
        activity: &'static str,
        /// How much is done, in bytes.
        done: u64,
        /// Out of how much, in bytes; 0 where it is not known.
        total: u64,
    },
    /// A line that a step printed.
    LayerOutput {
        /// The layer.
        layer: LayerId,
        /// One line, without its end.
        line: String,
    },
    /// A part of the work on a layer is done.
    LayerSpent {
        /// The layer.
        layer: LayerId,
        /// What was done.
        on: Work,
        /// How long it took.
        elapsed: Duration,
    },
    /// A layer is complete.
    LayerFinished {
        /// The layer.
        layer: LayerId,
        /// How long it took.
        elapsed: Duration,
    },
    /// A layer could not be built.
    LayerFailed {
        /// The layer.
        layer: LayerId,
        /// How long it took.
        elapsed: Duration,
    },
    /// Somebody else is building the layer, which waits for that.
    LayerWaiting {
        /// The layer.
        layer: LayerId,
        /// Whether that is this process, for another image; else it is another process.
        here: bool,
    },
    /// All layers are there.
    BuildFinished {
        /// Layers built by this run.
        built: usize,
        /// How long it took.
        elapsed: Duration,
    },
    /// A layer could not be built, so the build has ended. The error itself goes to whoever asked for the build.
    BuildFailed,
    /// Something the user should see although nothing failed, such as a fallback.
    Notice {
        /// One line.
        text: String,
    },
    /// What a function printed, as it printed it.
    FunctionOutput {
        /// The function.
        function: &'static str,
        /// A short name of the container.
        container: String,
        /// One line, without its end.
        line: String,
    },
}

/// A part of the work on a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Waiting for another process, or another layer, that has what this one needs.
    Waiting,
    /// Starting the container that its commands run in.
    Starting,
    /// Running its commands.
    Running,
    /// Making a layer of what they wrote.
    Saving,
}

impl Event {
    /// The layer that it is about.
    pub fn layer(&self) -> Option<LayerId> {
        match self {
            Self::LayerStarted { layer, .. }
            | Self::FetchStarted { layer, .. }
            | Self::FetchEnded { layer, .. }
            | Self::LayerProgress { layer, .. }
            | Self::LayerOutput { layer, .. }
            | Self::LayerSpent { layer, .. }
            | Self::LayerFinished { layer, .. }
            | Self::LayerFailed { layer, .. }
            | Self::LayerWaiting { layer, .. } => Some(*layer),
            _ => None,
        }
    }
}

/// Takes events; cheap to clone, never blocks.
#[derive(Clone)]
pub struct Events(std::sync::Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Events that `fold` takes.
    pub fn new(fold: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(fold))
    }

    /// Events that nobody listens to.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Tells of one event.
    pub fn tell(&self, event: Event) {
        (self.0)(event);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
