//! Lowering: which layers an image has, what identifies each, what makes each.
//!
//! # Encoding
//!
//! The identity of a layer is the SHA-256 of these fields in the encoding of [`Encoder`]:
//!
//! | layer | fields |
//! | --- | --- |
//! | `scratch()` | tag, `base`, `scratch` |
//! | base from a registry | tag, `base`, `registry`, manifest digest as text |
//! | base from the archive | tag, `base`, `archive`, suite, digest of the package set |
//! | the suite's Python | tag, parent, `python`, series, version of pip, version of uv |
//! | a step | tag, parent, verb, and: |
//! | – `apt_install`, `run_commands` | list of arguments |
//! | – `pip_install` | list of requirements, version of uv |
//! | – `pip_install_from_requirements`, `pip_install_from_pyproject` | text, constraints, list of options, version of uv |
//! | – `uv_sync` | text of the project, text of the lock, list of groups, list of extras, 1 where frozen, version of uv |
//! | … with options of pip | `options`, list of index URL, extra index URL and links, 1 for `pre`, list of extra options |
//! | … with secrets | `secrets`, number of them, then source and name of each |
//! | – `copy_local_file`, `copy_local_dir`, `add_local_file`, `add_local_dir` | target, digest of the file tree |
//! | – `env` | number of variables, then name and value of each |
//! | – `workdir` | path |
//! | – `entrypoint`, `cmd`, `shell` | list of arguments |
//! | an instruction | tag, parent, its keyword, and: |
//! | – `RUN` | list of arguments, text of the script, number of `ARG`s, then name and value of each, user |
//! | – `COPY`, `ADD` | target, owner, mode + 1 or 0, digest of the files, number of here-documents, then name and text of each |
//! | – `WORKDIR` | path, user |
//! | – `ENV`, `USER`, `SHELL` | as `env`, the user, list of arguments |
//!
//! Instructions that change no file and no later step (`CMD`, `LABEL`, `EXPOSE`, …) are part of no identity.
//!
//! The tag is `image-runtime layer v1`. A parent is its 32 bytes. Local paths, times and the names of images are no part of it.

use super::{BaseSource, Chain, CopySpec, Expanded, Part, Pip, ResolvedBase, Root, Sync};
use crate::digest::{Digest, Encoder, LayerId};
use crate::spec::{Secret, Secrets, Step};

const TAG: &str = "image-runtime layer v1";

/// The version of uv where no builder version pins one.
pub const DEFAULT_UV: &str = "0.13.9";

/// The version of pip where no builder version pins one.
const DEFAULT_PIP: &str = "24.2";

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
    /// Commands through a shell.
    RunCommands(&'static [&'static str]),
    /// Local files: the step's place in [`Chain::steps`], by which the caller knows the tree, and where they go.
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

    pub(super) fn of(base: &ResolvedBase) -> Self {
        let mut config = Self {
            env: base.config.env.clone(),
            workdir: base.config.workdir.clone(),
            user: base.config.user.clone(),
            entrypoint: base.config.entrypoint.clone(),
            cmd: base.config.cmd.clone(),
            shell: base.config.shell.clone(),
            ..Self::default()
        };
        if config.workdir.is_empty() {
            config.workdir = "/".into();
        }
        if !config.env.iter().any(|(name, _)| name == "PATH") {
            config.set("PATH", DEFAULT_PATH);
        }
        config
    }
}

/// Lowers a chain. `instructions` are those of its steps with their values ([`super::expand`]); `trees` gives the digest of the files
/// of a copy step, by its index in [`Chain::steps`].
pub fn lower(
    chain: &Chain,
    base: &ResolvedBase,
    instructions: &[Option<Expanded>],
    trees: impl Fn(usize) -> Digest,
) -> Plan {
    let mut config = Config::of(base);
    let mut layers = vec![PlannedLayer {
        config: config.clone(),
        ..base_layer(&base.source)
    }];
    let uv = match chain.root {
        Root::Debian { builder, .. } => builder.uv,
        Root::Registry { .. } | Root::Scratch => DEFAULT_UV,
    };
    let pip = match chain.root {
        Root::Debian { builder, .. } => builder.pip,
        Root::Registry { .. } | Root::Scratch => DEFAULT_PIP,
    };
    if let BaseSource::Archive {
        suite,
        python: Some(series),
        ..
    } = &base.source
    {
        config.set("LANG", "C.UTF-8");
        let id = child(&layers[0].id, "python", |encoder| {
            encoder.text(series).text(pip).text(uv)
        });
        layers.push(PlannedLayer {
            id,
            title: format!("Python {series} of Debian {suite}"),
            action: Action::SuitePython {
                suite: suite.clone(),
                series: series.clone(),
                pip: pip.into(),
                uv: uv.into(),
            },
            config: config.clone(),
            secrets: Secrets::NONE,
            force: false,
        });
    }

    let mut identity = layers[layers.len() - 1].id;
    let mut force = false;
    let mut own_cmd = false;
    let mut stage = None;
    for (index, (written, expanded)) in chain.steps.iter().zip(instructions).enumerate() {
        let step = match (written.part, expanded) {
            (Part::Verb(step), _) => step,
            (Part::Instruction(_, _), None) => continue,
            (Part::Instruction(instruction, origin), Some(expanded)) => {
                force |= origin.force;
                if stage.replace(origin.stage) != Some(origin.stage) {
                    own_cmd = false;
                }
                match expanded {
                    // The base's command was meant for its own entrypoint.
                    Expanded::Entrypoint(_) if !own_cmd => config.cmd.clear(),
                    Expanded::Cmd(_) => own_cmd = true,
                    _ => {}
                }
                expanded.apply(&mut config);
                if let Some(id) = instruction_id(&identity, expanded, &config, || trees(index)) {
                    identity = id;
                }
                if let Some(action) = instruction_action(expanded, index) {
                    layers.push(PlannedLayer {
                        id: identity,
                        title: shortened(instruction.text),
                        action,
                        config: config.clone(),
                        secrets: Secrets::NONE,
                        force,
                    });
                }
                continue;
            }
        };
        // No part of the image: the containers get it.
        if step.is_added() {
            continue;
        }
        force |= step.force_build();
        identity = child(&identity, step.verb(), |encoder| match step {
            Step::AptInstall(step) => encoder.list(step.packages.iter().copied()),
            Step::PipInstall(step) => Pip::from(step).encode(uv, encoder),
            Step::PipInstallFromRequirements(step) => Pip::from(step).encode(uv, encoder),
            Step::PipInstallFromPyproject(step) => Pip::from(step).encode(uv, encoder),
            Step::UvSync(step) => Sync::from(step).encode(uv, encoder),
            Step::RunCommands(step) => {
                encoder.list(step.commands.iter().copied());
                secret_names(step.secrets, encoder)
            }
            Step::CopyLocalFile(step) => encoder.text(step.target).digest(&trees(index)),
            Step::CopyLocalDir(step) => encoder.text(step.target).digest(&trees(index)),
            Step::AddLocalFile(step) => encoder.text(step.target).digest(&trees(index)),
            Step::AddLocalDir(step) => encoder.text(step.target).digest(&trees(index)),
            Step::Env(step) => step.variables.iter().fold(
                encoder.number(step.variables.len() as u64),
                |encoder, (name, value)| encoder.text(name).text(value),
            ),
            Step::Workdir(step) => encoder.text(step.path),
            Step::Entrypoint(step) => encoder.list(step.arguments.iter().copied()),
            Step::Cmd(step) => encoder.list(step.arguments.iter().copied()),
            Step::Shell(step) => encoder.list(step.arguments.iter().copied()),
            Step::DockerfileCommands(_) => unreachable!("a chain holds its instructions"),
        });
        let action = match step {
            Step::AptInstall(step) => Action::AptInstall(step.packages),
            Step::PipInstall(step) => pip_install(step.into(), uv),
            Step::PipInstallFromRequirements(step) => pip_install(step.into(), uv),
            Step::PipInstallFromPyproject(step) => pip_install(step.into(), uv),
            Step::UvSync(step) => Action::UvSync {
                sync: step.into(),
                uv: uv.into(),
            },
            Step::RunCommands(step) => Action::RunCommands(step.commands),
            Step::CopyLocalFile(step) => Action::CopyFiles {
                step: index,
                target: step.target,
            },
            Step::CopyLocalDir(step) => Action::CopyFiles {
                step: index,
                target: step.target,
            },
            Step::AddLocalFile(step) => Action::CopyFiles {
                step: index,
                target: step.target,
            },
            Step::AddLocalDir(step) => Action::CopyFiles {
                step: index,
                target: step.target,
            },
            Step::Env(step) => {
                for (name, value) in step.variables {
                    config.set(name, value);
                }
                continue;
            }
            Step::Workdir(step) => {
                step.path.clone_into(&mut config.workdir);
                continue;
            }
            Step::Entrypoint(step) => {
                config.entrypoint = owned(step.arguments);
                // The base's command was meant for its own entrypoint.
                if !own_cmd {
                    config.cmd.clear();
                }
                continue;
            }
            Step::Cmd(step) => {
                config.cmd = owned(step.arguments);
                own_cmd = true;
                continue;
            }
            Step::Shell(step) => {
                config.shell = owned(step.arguments);
                continue;
            }
            Step::DockerfileCommands(_) => unreachable!("a chain holds its instructions"),
        };
        layers.push(PlannedLayer {
            id: identity,
            title: title(step),
            action,
            config: config.clone(),
            secrets: Secrets {
                all: secrets(step),
                folder: written.place.manifest_dir,
            },
            force,
        });
    }
    Plan { layers, config }
}

/// What identifies all that is there after an instruction, where that changes with it.
fn instruction_id(
    parent: &LayerId,
    instruction: &Expanded,
    config: &Config,
    files: impl Fn() -> Digest,
) -> Option<LayerId> {
    let pairs = |encoder: &mut Encoder, pairs: &[(String, String)]| {
        encoder.number(pairs.len() as u64);
        for (name, value) in pairs {
            encoder.text(name).text(value);
        }
    };
    Some(match instruction {
        Expanded::Run {
            argv,
            script,
            arguments,
        } => child(parent, "RUN", |encoder| {
            encoder
                .list(argv.iter().map(String::as_str))
                .text(script.unwrap_or_default());
            pairs(encoder, arguments);
            encoder.text(&config.user)
        }),
        Expanded::Copy(copy) => child(parent, if copy.add { "ADD" } else { "COPY" }, |encoder| {
            encoder
                .text(&copy.target)
                .text(&copy.owner)
                .number(copy.mode.map_or(0, |mode| u64::from(mode) + 1))
                .digest(&files());
            pairs(encoder, &copy.documents);
            encoder
        }),
        Expanded::Workdir(path) => child(parent, "WORKDIR", |encoder| {
            encoder.text(path).text(&config.user)
        }),
        Expanded::Env(variables) => child(parent, "ENV", |encoder| {
            pairs(encoder, variables);
            encoder
        }),
        Expanded::User(user) => child(parent, "USER", |encoder| encoder.text(user)),
        Expanded::Shell(argv) => child(parent, "SHELL", |encoder| {
            encoder.list(argv.iter().map(String::as_str))
        }),
        _ => return None,
    })
}

/// What makes the layer of an instruction; those that are configuration have none.
fn instruction_action(instruction: &Expanded, step: usize) -> Option<Action> {
    Some(match instruction {
        Expanded::Run {
            argv,
            script,
            arguments,
        } => Action::Run {
            argv: argv.clone(),
            script: *script,
            env: arguments.clone(),
        },
        Expanded::Copy(copy) => Action::Copy {
            step,
            copy: copy.clone(),
        },
        Expanded::Workdir(_) => Action::Workdir,
        _ => return None,
    })
}

/// The layer of a base.
pub fn base_layer(source: &BaseSource) -> PlannedLayer {
    PlannedLayer {
        id: base_id(source),
        title: source.describe(),
        action: Action::Base(source.clone()),
        config: Config::default(),
        secrets: Secrets::NONE,
        force: false,
    }
}

fn base_id(source: &BaseSource) -> LayerId {
    let mut encoder = Encoder::new(TAG);
    encoder.text("base");
    match source {
        BaseSource::Scratch => encoder.text("scratch"),
        BaseSource::Registry { digest, .. } => encoder.text("registry").text(digest),
        BaseSource::Archive {
            suite, packages, ..
        } => encoder.text("archive").text(suite).digest(packages),
    };
    encoder.finish()
}

fn child(
    parent: &LayerId,
    verb: &str,
    fields: impl FnOnce(&mut Encoder) -> &mut Encoder,
) -> LayerId {
    let mut encoder = Encoder::new(TAG);
    encoder.digest(parent).text(verb);
    fields(&mut encoder);
    encoder.finish()
}

fn pip_install(pip: Pip, uv: &str) -> Action {
    let uv = uv.to_owned();
    Action::PipInstall { pip, uv }
}

/// The secrets that a step names.
fn secrets(step: &Step) -> &'static [Secret] {
    match step {
        Step::PipInstall(step) => step.secrets,
        Step::PipInstallFromRequirements(step) => step.secrets,
        Step::PipInstallFromPyproject(step) => step.secrets,
        Step::UvSync(step) => step.secrets,
        Step::RunCommands(step) => step.secrets,
        _ => &[],
    }
}

/// Secrets as part of an identity: where they come from and what they are called, never what they are.
pub(super) fn secret_names<'a>(secrets: &[Secret], encoder: &'a mut Encoder) -> &'a mut Encoder {
    if !secrets.is_empty() {
        encoder.text("secrets").number(secrets.len() as u64);
        for [source, name] in secrets.iter().map(|secret| secret.identity()) {
            encoder.text(source).text(name);
        }
    }
    encoder
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}

/// The step as people write it, shortened.
fn title(step: &Step) -> String {
    let arguments = match step {
        Step::AptInstall(step) => step.packages.join(", "),
        Step::PipInstall(step) => step.requirements.join(", "),
        Step::PipInstallFromRequirements(step) => step.path.to_owned(),
        Step::PipInstallFromPyproject(step) => step.path.to_owned(),
        Step::UvSync(step) => step.path.to_owned(),
        Step::RunCommands(step) => step.commands.join(", "),
        Step::CopyLocalFile(step) => format!("{} → {}", step.source, step.target),
        Step::CopyLocalDir(step) => format!("{} → {}", step.source, step.target),
        Step::AddLocalFile(step) => format!("{} → {}", step.source, step.target),
        Step::AddLocalDir(step) => format!("{} → {}", step.source, step.target),
        Step::Env(_) | Step::Workdir(_) | Step::Entrypoint(_) | Step::Cmd(_) | Step::Shell(_) => {
            String::new()
        }
        Step::DockerfileCommands(_) => unreachable!("a chain holds its instructions"),
    };
    format!("{}({})", step.verb(), shortened(&arguments))
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.replace(['\n', '\r'], " ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
