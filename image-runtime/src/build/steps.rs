//! What each step does to make its layer.

use std::os::unix::fs::PermissionsExt as _;

use super::error::StepFailed;
use super::help::help;
use super::network::Network;
use super::{BuildError, Builder, Prepared, apt, conda, pins, pip};
use crate::base::{python, uv};
use crate::digest::LayerId;
use crate::engine::{Access, Limits, Mount, NewLayer};
use crate::event::{Event, Work};
use crate::plan::{Action, FunctionRun, PlannedLayer};
use crate::protocol::{Command, RunOutcome};
use crate::secrets::{self, Mask, Values};
use crate::store::StoreError;
use crate::worker::{FUNCTION, HOLD, PACK, Worker, WorkerSpec};

/// How many of a failed command's last lines its error shows.
const LINES_SHOWN: usize = 20;

const SCRIPT: &str = "/dev/image-runtime/script";

impl Builder {
    /// Makes one layer; the one below exists.
    pub(super) async fn make(&self, image: &Prepared, index: usize) -> Result<(), BuildError> {
        let layer = &image.plan.layers[index];
        if let Action::Base(source) = &layer.action {
            return self.make_base(image, layer, source).await;
        }
        let parent = image.plan.layers[index - 1].id;
        let secrets = self.secrets(image, layer)?;
        match &layer.action {
            Action::Base(_) => Ok(()),
            Action::CopyFiles { step, target } => {
                let files = image.trees[step].source(target);
                let new = new_layer(layer, Some(parent));
                Ok(self.engine.add_files(&new, files).await?)
            }
            Action::RunCommands(commands) => {
                let commands = in_shell(&layer.config.shell, commands);
                self.run_step(image, layer, parent, &secrets, commands, Vec::new())
                    .await
            }
            Action::Copy { step, copy } => self.make_copy(image, layer, parent, *step, copy).await,
            Action::Workdir => self.make_workdir(image, layer, parent).await,
            Action::Run { .. } => self.run_instruction(image, layer, parent, &secrets).await,
            Action::RunFunction(function) => {
                self.run_function(image, layer, parent, &secrets, function)
                    .await
            }
            Action::AptInstall(packages) => {
                let _lock = self.lock_apt(layer).await?;
                let commands = apt::install_as_locked(layer, packages);
                let mounts = vec![apt::cache()];
                self.run_step(image, layer, parent, &secrets, commands, mounts)
                    .await
            }
            Action::Conda { conda, tool } => {
                self.make_conda(image, layer, parent, conda, tool).await
            }
            Action::PipInstall { uv, .. } | Action::UvSync { uv, .. } => {
                let installation = self.python_packages(layer, &secrets)?;
                self.install(image, layer, parent, &secrets, installation, uv)
                    .await
            }
            Action::StandalonePython { python, pip, uv } => {
                self.make_standalone(image, layer, parent, python, pip, uv)
                    .await
            }
            Action::SuitePython {
                suite,
                series,
                pip,
                uv,
            } => {
                let _lock = self.lock_apt(layer).await?;
                let mut mounts = self.uv_mounts(uv).await?;
                mounts.push(apt::cache());
                let mut commands = apt::install_as_locked(layer, python::suite_packages(suite));
                commands.push(shell(&format!(
                    "ln -s /usr/bin/python{series} /usr/local/bin/python && rm -f /usr/lib/python{series}/EXTERNALLY-MANAGED"
                )));
                let installation = match &layer.pins {
                    Some(pins) => pins::install(&pins.python, layer, &secrets, &self.store)?,
                    None => pip::packages(&[&format!("pip=={pip}")]),
                };
                commands.extend(installation.commands.iter().cloned());
                mounts.extend(installation.mounts.iter().cloned());
                self.run_step(image, layer, parent, &secrets, commands, mounts)
                    .await
            }
        }
    }

    /// How the packages of a step are installed; nothing for a step that installs none.
    pub(super) fn python_packages(
        &self,
        layer: &PlannedLayer,
        secrets: &Values,
    ) -> Result<pip::Installation, BuildError> {
        match (&layer.action, &layer.pins) {
            // What has a lock of its own needs no other.
            (Action::UvSync { sync, .. }, pins)
                if pins.is_none() || !sync.project.lock.is_empty() =>
            {
                Ok(pip::sync(sync, &self.store)?)
            }
            (_, Some(pins)) => pins::install(&pins.python, layer, secrets, &self.store),
            (Action::PipInstall { pip, .. }, None) => {
                pip::install(pip, layer, secrets, &self.store)
            }
            _ => Ok(pip::Installation::default()),
        }
    }

    /// Runs a function of this program.
    async fn run_function(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        secrets: &Values,
        function: &FunctionRun,
    ) -> Result<(), BuildError> {
        let mut call = command(&[FUNCTION, function.name]);
        let of_function = function.options.env.iter();
        let set = of_function.filter(|(name, _)| secrets.get(name).is_none());
        call.env = set
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.run_step(image, layer, parent, secrets, vec![call], Vec::new())
            .await
    }

    /// Runs the command of a Dockerfile as the image's user.
    async fn run_instruction(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        secrets: &Values,
    ) -> Result<(), BuildError> {
        let Action::Run {
            argv, script, env, ..
        } = &layer.action
        else {
            unreachable!("only `RUN` runs like this")
        };
        let mut lent = self.lend(image, layer, parent, secrets).await?;
        let mut mounts = std::mem::take(&mut lent.mounts);
        let mut command = Command {
            argv: argv.to_vec(),
            // `ENV` counts more than an `ARG` of the same name.
            env: env
                .iter()
                .filter(|(name, _)| !layer.config.env.iter().any(|(known, _)| known == name))
                .cloned()
                .collect(),
            workdir: String::new(),
        };
        let folder = self.store.run_dir()?;
        if let Some(text) = script {
            let file = folder.path().join("script");
            let written = std::fs::write(&file, text).and_then(|()| {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
            });
            written.map_err(|error| StoreError::io("write", &file, error))?;
            mounts.push(Mount::Local {
                source: file,
                target: SCRIPT.into(),
                access: Access::Read,
            });
            command.argv = vec![SCRIPT.into()];
        }
        let mut commands = lent.around(command);
        // What is a secret is seen by those that name it only, so none is in the environment of all.
        self.dress(layer, &Values::default(), &mut commands, &mut mounts);
        self.run_hiding(image, layer, parent, &secrets.mask(), commands, mounts)
            .await
    }

    pub(super) async fn uv_mounts(&self, version: &str) -> Result<Vec<Mount>, BuildError> {
        Ok(pip::mounts(uv::program(version, &self.store).await?))
    }

    async fn install(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        secrets: &Values,
        installation: pip::Installation,
        uv: &str,
    ) -> Result<(), BuildError> {
        let mut mounts = self.uv_mounts(uv).await?;
        mounts.extend(installation.mounts.iter().cloned());
        let commands = installation.commands.clone();
        self.run_step(image, layer, parent, secrets, commands, mounts)
            .await
    }

    /// The values of the secrets of a layer's step.
    pub(super) fn secrets(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
    ) -> Result<Values, BuildError> {
        secrets::values(&layer.secrets).map_err(|source| BuildError::Secret {
            image: image.name.clone(),
            step: layer.title.clone(),
            source,
        })
    }

    /// Runs commands with the network and the environment of the step, and saves what they wrote.
    pub(super) async fn run_step(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        secrets: &Values,
        mut commands: Vec<Command>,
        mut mounts: Vec<Mount>,
    ) -> Result<(), BuildError> {
        self.dress(layer, secrets, &mut commands, &mut mounts);
        self.run_hiding(image, layer, parent, &secrets.mask(), commands, mounts)
            .await
    }

    /// Gives commands the network and the environment of a step.
    pub(super) fn dress(
        &self,
        layer: &PlannedLayer,
        secrets: &Values,
        commands: &mut [Command],
        mounts: &mut Vec<Mount>,
    ) {
        let network = Network::of_this_machine();
        for command in commands {
            let own = std::mem::take(&mut command.env);
            let (network, image) = (network.env.as_slice(), layer.config.env.as_slice());
            command.env = [network, image, secrets.env(), own.as_slice()].concat();
            if command.workdir.is_empty() {
                command.workdir.clone_from(&layer.config.workdir);
            }
        }
        mounts.extend(network.mounts);
    }

    /// Runs commands that know no secret in a container of the parent, and saves what they wrote as the layer.
    pub(super) async fn run_and_save(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        commands: Vec<Command>,
        mounts: Vec<Mount>,
    ) -> Result<(), BuildError> {
        self.run_hiding(image, layer, parent, &Mask::default(), commands, mounts)
            .await
    }

    /// Runs commands in a container of the parent, and saves what they wrote as the layer.
    async fn run_hiding(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        mask: &Mask,
        commands: Vec<Command>,
        mounts: Vec<Mount>,
    ) -> Result<(), BuildError> {
        let worker = self
            .run_in(image, layer, parent, mask, commands, mounts)
            .await?;
        let new = new_layer(layer, Some(parent));
        let save = worker.container().save(&new);
        let saved = self.timed(layer.id, Work::Saving, save).await;
        let removed = worker.remove().await;
        saved?;
        Ok(removed?)
    }

    /// A container of a layer, for the making of another.
    pub(super) fn worker_spec(
        &self,
        layer: &PlannedLayer,
        of: LayerId,
        mask: &Mask,
        mounts: Vec<Mount>,
    ) -> WorkerSpec {
        WorkerSpec {
            layer: of,
            env: Vec::new(),
            workdir: "/".into(),
            user: match layer.action {
                Action::Run { .. } => layer.config.user.clone(),
                _ => String::new(),
            },
            mounts,
            network: true,
            limits: Limits::default(),
            gpus: Vec::new(),
            mask: mask.clone(),
            purpose: format!("build {}", layer.title),
        }
    }

    /// Runs commands in a container of a layer, for the making of another; answers the container's worker.
    pub(super) async fn run_in(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        of: LayerId,
        mask: &Mask,
        commands: Vec<Command>,
        mounts: Vec<Mount>,
    ) -> Result<Worker, BuildError> {
        let start = self
            .launcher
            .start(self.worker_spec(layer, of, mask, mounts));
        let mut worker = self.timed(layer.id, Work::Starting, start).await?;
        let limit = match &layer.action {
            Action::RunFunction(function) => function.options.timeout,
            _ => None,
        };
        for command in &commands {
            let mut last_lines = std::collections::VecDeque::new();
            let mut tell = |line: String| {
                if last_lines.len() == LINES_SHOWN {
                    last_lines.pop_front();
                }
                last_lines.push_back(line.clone());
                // Dpkg talks a lot while it sets up a system from nothing; it matters only if that fails.
                if !matches!(layer.action, Action::Base(_)) {
                    self.events.tell(Event::LayerOutput {
                        layer: layer.id,
                        line,
                    });
                }
            };
            let run = self.timed(layer.id, Work::Running, worker.run(command, &mut tell));
            let outcome = match limit {
                None => run.await?,
                Some(limit) => match tokio::time::timeout(limit, run).await {
                    Ok(outcome) => outcome?,
                    Err(_) => {
                        let _ = worker.remove().await;
                        return Err(BuildError::TimedOut {
                            image: image.name.clone(),
                            step: layer.title.clone(),
                            limit,
                        });
                    }
                },
            };
            if outcome != RunOutcome::Exited(0) {
                // The failed step is what is to be told.
                let _ = worker.remove().await;
                let last_lines = Vec::from(last_lines);
                return Err(BuildError::Step(Box::new(StepFailed {
                    image: image.name.clone(),
                    step: layer.title.clone(),
                    command: mask.apply(command_text(command)),
                    help: help(
                        &layer.action,
                        &outcome,
                        &last_lines,
                        self.engine.shares_network(),
                    )
                    .map(str::to_owned),
                    outcome,
                    last_lines,
                })));
            }
        }
        Ok(worker)
    }

    pub(super) fn progress(
        &self,
        layer: &PlannedLayer,
        activity: &'static str,
        done: u64,
        total: u64,
    ) {
        self.events.tell(Event::LayerProgress {
            layer: layer.id,
            activity,
            done,
            total,
        });
    }
}

/// What an engine is told of a layer that is to be made.
pub(super) fn new_layer(layer: &PlannedLayer, parent: Option<LayerId>) -> NewLayer {
    NewLayer {
        id: layer.id,
        parent,
        title: layer.title.clone(),
    }
}

pub(super) fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: Vec::new(),
        workdir: String::new(),
    }
}

/// Waits for a cache that is one container's at a time, and has it until the container ends. The locks of our store cannot do that: on a daemon,
/// caches are shared by all stores.
pub(super) fn hold(cache: &str) -> Command {
    Command {
        workdir: "/".into(),
        ..command(&[HOLD, cache])
    }
}

pub(super) fn shell(line: &str) -> Command {
    command(&["/bin/sh", "-c", line])
}

/// Each line for the image's own shell, where it names one.
fn in_shell(own: &[String], lines: &[&str]) -> Vec<Command> {
    let each = lines.iter().map(|line| match own {
        [] => shell(line),
        own => {
            let words = own.iter().map(String::as_str).chain([*line]);
            command(&words.collect::<Vec<_>>())
        }
    });
    each.collect()
}

/// The command as a person would type it: without our options.
fn command_text(command: &Command) -> String {
    if let Some(text) = pip::typed(command).or_else(|| conda::typed(command)) {
        return text;
    }
    match command.argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [FUNCTION, name] => format!("{name}()"),
        ["/bin/sh", "-c", line] => line.to_owned(),
        [PACK, _, _, ref paths @ ..] => paths.join(" "),
        [HOLD, ref paths @ ..] => format!("flock {}", paths.join(" ")),
        ["apt-get", .., "update"] => "apt-get update".into(),
        ["apt-get", ref rest @ ..] => {
            let packages = rest
                .iter()
                .skip_while(|word| **word != "--no-install-recommends")
                .skip(1);
            format!(
                "apt-get install {}",
                packages.copied().collect::<Vec<_>>().join(" ")
            )
        }
        ref words => words.join(" "),
    }
}
