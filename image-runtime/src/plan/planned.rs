//! What a plan is: layers, what makes each, and the configuration of containers.

use std::sync::Arc;

use super::fields::StepRecord;
use super::{
    BaseSource, Conda, CopySpec, FunctionRun, Holdings, MountSpec, Pip, ResolvedBase,
    StandalonePython, Sync,
};
use crate::digest::LayerId;
use crate::spec::{ImageConfig, Secrets};

/// The search path of an image that names none.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All layers of an image, from the base up, and what its containers get.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The layers; each one's parent is the one before it.
    pub layers: Vec<PlannedLayer>,
    /// What a container of the image gets.
    pub config: Config,
    /// What was said of each step, those that make no layer among them.
    pub steps: Vec<StepRecord>,
}

impl Plan {
    /// The topmost layer: the image's root file system.
    pub fn top(&self) -> LayerId {
        self.layers.last().expect("a plan has at least its base").id
    }
}

/// One layer to be built, or found built.
#[derive(Clone, Debug)]
pub struct PlannedLayer {
    /// Its identity.
    pub id: LayerId,
    /// What it is, for people.
    pub title: String,
    /// What makes it.
    pub action: Action,
    /// Environment and working directory while it is made.
    pub config: Config,
    /// What it is given while it is made, and nothing else is.
    pub secrets: Secrets,
    /// Whether it is built in this run even if it exists.
    pub force: bool,
    /// What it is to bring exactly, where that is locked.
    pub pins: Option<Arc<Holdings>>,
}

/// What makes a layer.
#[derive(Clone, Debug)]
pub enum Action {
    /// The base itself.
    Base(BaseSource),
    /// The Python of the Debian suite, and pip.
    SuitePython {
        /// `bookworm`
        suite: String,
        /// `3.11`
        series: String,
        /// The version of pip.
        pip: String,
        /// The version of uv that installs it.
        uv: String,
    },
    /// A standalone Python, and pip.
    StandalonePython {
        /// Which.
        python: StandalonePython,
        /// The version of pip.
        pip: String,
        /// The version of uv that installs it.
        uv: String,
    },
    /// Debian packages.
    AptInstall(&'static [&'static str]),
    /// Python packages.
    PipInstall {
        /// Which, and how.
        pip: Pip,
        /// The version of uv that installs them.
        uv: String,
    },
    /// The packages of a Python project.
    UvSync {
        /// Which.
        sync: Sync,
        /// The version of uv that installs them.
        uv: String,
    },
    /// Conda packages.
    Conda {
        /// Which.
        conda: Conda,
        /// The version of py-rattler that installs them.
        tool: String,
    },
    /// Commands through a shell.
    RunCommands(&'static [&'static str]),
    /// A function of this program.
    RunFunction(FunctionRun),
    /// Local files: the step's place in [`Chain::steps`](super::Chain::steps), by which the caller knows the tree, and where they go.
    CopyFiles {
        /// Index of the step.
        step: usize,
        /// Path in the container.
        target: &'static str,
    },
    /// A command of a Dockerfile, as the image's user.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// A program to be run in place of them.
        script: Option<&'static str>,
        /// Environment besides the image's.
        env: Vec<(String, String)>,
        /// What it sees besides the image.
        mounts: Vec<MountSpec>,
        /// Index of the step, by which the caller knows the files of its mounts.
        step: usize,
    },
    /// Files of a Dockerfile: the step's place, by which the caller knows where they come from.
    Copy {
        /// Index of the step.
        step: usize,
        /// What, and where to.
        copy: CopySpec,
    },
    /// A working directory, which belongs to the image's user.
    Workdir,
}

/// Environment, working directory, user, and what the image starts where nobody says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Environment, sorted by nothing: in the order it was set, each name once.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub workdir: String,
    /// User; empty for root.
    pub user: String,
    /// What an exported image starts, before its command; empty for nothing.
    pub entrypoint: Vec<String>,
    /// The command of an exported image; empty for none.
    pub cmd: Vec<String>,
    /// What each line of `run_commands` is handed to; empty for `/bin/sh -c`.
    pub shell: Vec<String>,
    /// Labels, by name and value.
    pub labels: Vec<(String, String)>,
    /// Ports: `80/tcp`.
    pub exposed: Vec<String>,
    /// Directories that are volumes.
    pub volumes: Vec<String>,
    /// The signal that ends it; empty for the usual one.
    pub stop_signal: String,
    /// How it is asked whether it is well.
    pub healthcheck: Option<Healthcheck>,
}

/// How an image is asked whether it is well. Times are in nanoseconds; 0 for the usual ones.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `CMD` or `CMD-SHELL` and what follows, or `NONE`.
    pub test: Vec<String>,
    /// Between two.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// For one.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: u64,
    /// Before the first one counts.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: u64,
    /// How many fail before it is ill.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl Config {
    /// Sets a variable, over an earlier value.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.env.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Where programs are looked for.
    pub(super) fn path(&self) -> &str {
        let path = self.env.iter().find(|(name, _)| name == "PATH");
        path.map_or(DEFAULT_PATH, |(_, value)| value)
    }

    pub(super) fn of(base: &ResolvedBase) -> Self {
        let ImageConfig {
            env,
            mut workdir,
            user,
            entrypoint,
            cmd,
            shell,
        } = base.config.clone();
        if workdir.is_empty() {
            workdir = "/".into();
        }
        let mut config = Self {
            env,
            workdir,
            user,
            entrypoint,
            cmd,
            shell,
            ..Self::default()
        };
        let path = config.path().to_owned();
        config.set("PATH", &path);
        config
    }
}
