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
//! | a standalone Python | tag, parent, `standalone python`, SHA-256 of its archive, version of pip, version of uv |
//! | a step | tag, parent, verb, and: |
//! | – `apt_install`, `run_commands` | list of arguments |
//! | – `pip_install` | list of requirements, version of uv |
//! | – `pip_install_from_requirements`, `pip_install_from_pyproject` | text, constraints, list of options, version of uv |
//! | – `micromamba`, `micromamba_install` | list of match specs, list of channels, version of py-rattler |
//! | – `uv_sync` | text of the project, text of the lock, list of groups, list of extras, 1 where frozen, version of uv |
//! | … with options of pip | `options`, list of index URL, extra index URL and links, 1 for `pre`, list of extra options |
//! | … with secrets | `secrets`, number of them, then source and name of each |
//! | – `run_function` | text of the function, that of its Python file if it has one, number of its variables, then name and value of each |
//! | – `copy_local_file`, `copy_local_dir`, `add_local_file`, `add_local_dir` | target, digest of the file tree |
//! | – `env` | number of variables, then name and value of each |
//! | – `workdir` | path |
//! | – `entrypoint`, `cmd`, `shell` | list of arguments |
//! | an instruction | tag, parent, its keyword, and: |
//! | – `RUN` | list of arguments, text of the script, number of `ARG`s, then name and value of each, user; with mounts, the list of their flags; with such of files, the digest of the files |
//! | – `COPY`, `ADD` | target, owner, mode + 1 or 0, digest of the files, number of here-documents, then name and text of each |
//! | – `WORKDIR` | path, user |
//! | – `ENV`, `USER`, `SHELL` | as `env`, the user, list of arguments |
//!
//! Instructions that change no file and no later step (`CMD`, `LABEL`, `EXPOSE`, …) are part of no identity.
//!
//! The tag is `image-runtime layer v1`. A parent is its 32 bytes. Local paths, times and the names of images are no part of it.

mod instruction;
mod title;

use title::{shortened, title};

use super::conda;
use super::fields::{Fields, StepRecord};
use super::{
    Action, BaseSource, Chain, Conda, Config, Expanded, FunctionRun, Part, Pip, Plan, PlannedLayer,
    ResolvedBase, Root, StandalonePython, Sync,
};
use crate::digest::{Digest, Encoder, LayerId};
use crate::spec::{Secret, Secrets, Step};

const TAG: &str = "image-runtime layer v1";

/// The version of uv where no builder version pins one.
pub const DEFAULT_UV: &str = "0.13.9";

/// The version of py-rattler where no builder version pins one.
pub const DEFAULT_CONDA: &str = "0.28.0";

/// The version of pip where no builder version pins one.
const DEFAULT_PIP: &str = "24.2";

/// Lowers a chain. `instructions` are those of its steps with their values ([`super::expand`]); `trees` gives the digest of the files
/// of a copy step, by its index in [`Chain::steps`].
pub fn lower(
    chain: &Chain,
    base: &ResolvedBase,
    instructions: &[Option<Expanded>],
    trees: impl Fn(usize) -> Digest,
) -> Plan {
    let mut config = Config::of(base);
    let base_record = base_record(&base.source);
    let mut layers = vec![PlannedLayer {
        config: config.clone(),
        secrets: match chain.root {
            Root::Registry { secrets, .. } => secrets,
            Root::Debian { .. } | Root::Scratch => Secrets::NONE,
        },
        ..base_layer(&base.source)
    }];
    let mut steps = vec![base_record];
    let (uv, pip, rattler) = match chain.root {
        Root::Debian { builder, .. } => (builder.uv, builder.pip, builder.conda),
        Root::Registry { .. } | Root::Scratch => (DEFAULT_UV, DEFAULT_PIP, DEFAULT_CONDA),
    };
    if let BaseSource::Archive {
        suite,
        python: Some(series),
        ..
    } = &base.source
    {
        config.set("LANG", "C.UTF-8");
        let title = format!("Python {series} of Debian {suite}");
        let record = child(&layers[0].id, "python", title, |fields| {
            fields
                .text("series", series)
                .text("pip", pip)
                .text("uv", uv)
        });
        let action = Action::SuitePython {
            suite: suite.clone(),
            series: series.clone(),
            pip: pip.into(),
            uv: uv.into(),
        };
        let (layer, record) = layered(record, action, &config, false);
        layers.push(layer);
        steps.push(record);
    }

    if let (Root::Debian { .. }, Some(python)) = (chain.root, &base.python) {
        config.set("LANG", "C.UTF-8");
        let parent = layers[layers.len() - 1].id;
        let (layer, record) = standalone_python(parent, python, &mut config, pip, uv, false);
        layers.push(layer);
        steps.push(record);
    }

    let mut identity = layers[layers.len() - 1].id;
    let mut force = false;
    let mut own_cmd = false;
    let mut stage = None;
    for (index, (written, expanded)) in chain.steps.iter().zip(instructions).enumerate() {
        let step = match (written.part, expanded) {
            (Part::Verb(step), _) => step,
            (Part::Python(_), _) => {
                let python = base.python.as_ref();
                let python =
                    python.expect("a base is resolved with the Python that is put into it");
                let (layer, record) =
                    standalone_python(identity, python, &mut config, pip, uv, force);
                identity = layer.id;
                layers.push(layer);
                steps.push(record);
                continue;
            }
            (Part::Conda(version), _) => {
                conda::first(&mut config);
                let conda = Conda::python(version, written.place.manifest_dir);
                let title = match version.pinned {
                    true => format!("conda, with Python {}", version.exact),
                    false => format!("conda, with Python {}", version.series),
                };
                let record = child(&identity, "micromamba", title, |fields| {
                    conda.encode(rattler, fields)
                });
                let tool = rattler.into();
                let (layer, record) =
                    layered(record, Action::Conda { conda, tool }, &config, force);
                identity = layer.id;
                layers.push(layer);
                steps.push(record);
                continue;
            }
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
                let title = shortened(instruction.text);
                let action = instruction::action(expanded, index);
                let files = || trees(index);
                let Some(record) = instruction::record(&identity, expanded, &config, &title, files)
                else {
                    continue;
                };
                identity = record.id;
                steps.push(match action {
                    None => record,
                    Some(action) => {
                        let (mut layer, record) = layered(record, action, &config, force);
                        if instruction::takes_secrets(expanded) {
                            layer.secrets = Secrets {
                                all: origin.secrets,
                                folder: written.place.manifest_dir,
                            };
                        }
                        layers.push(layer);
                        record
                    }
                });
                continue;
            }
        };
        // No part of the image: the containers get it.
        if step.is_added() {
            continue;
        }
        force |= step.force_build();
        let record = child(&identity, step.verb(), title(step), |fields| match step {
            Step::AptInstall(step) => fields.list("packages", step.packages.iter().copied()),
            Step::PipInstall(step) => Pip::from(step).encode(uv, fields),
            Step::PipInstallFromRequirements(step) => Pip::from(step).encode(uv, fields),
            Step::PipInstallFromPyproject(step) => Pip::from(step).encode(uv, fields),
            Step::UvSync(step) => Sync::from(step).encode(uv, fields),
            Step::MicromambaInstall(step) => {
                Conda::of(step, written.place.manifest_dir).encode(rattler, fields)
            }
            Step::RunCommands(step) => {
                fields.list("commands", step.commands.iter().copied());
                secret_names(step.secrets, fields)
            }
            Step::RunFunction(step) => FunctionRun::of(&step.function).encode(fields),
            Step::CopyLocalFile(step) => copied(step.target, &trees(index), fields),
            Step::CopyLocalDir(step) => copied(step.target, &trees(index), fields),
            Step::AddLocalFile(step) => copied(step.target, &trees(index), fields),
            Step::AddLocalDir(step) => copied(step.target, &trees(index), fields),
            Step::Env(step) => fields.pairs("env", step.variables.iter().copied()),
            Step::Workdir(step) => fields.text("path", step.path),
            Step::Entrypoint(step) => fields.list("arguments", step.arguments.iter().copied()),
            Step::Cmd(step) => fields.list("arguments", step.arguments.iter().copied()),
            Step::Shell(step) => fields.list("arguments", step.arguments.iter().copied()),
            Step::DockerfileCommands(_) => unreachable!("a chain holds its instructions"),
        });
        identity = record.id;
        steps.push(record);
        let action = match step {
            Step::AptInstall(step) => Action::AptInstall(step.packages),
            Step::PipInstall(step) => pip_install(step.into(), uv),
            Step::PipInstallFromRequirements(step) => pip_install(step.into(), uv),
            Step::PipInstallFromPyproject(step) => pip_install(step.into(), uv),
            Step::UvSync(step) => Action::UvSync {
                sync: step.into(),
                uv: uv.into(),
            },
            Step::MicromambaInstall(step) => Action::Conda {
                conda: Conda::of(step, written.place.manifest_dir),
                tool: rattler.into(),
            },
            Step::RunCommands(step) => Action::RunCommands(step.commands),
            Step::RunFunction(step) => Action::RunFunction(FunctionRun::of(&step.function)),
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
        let record = steps
            .last_mut()
            .expect("the step's record was pushed above");
        record.layer = true;
        layers.push(PlannedLayer {
            id: identity,
            title: record.title.clone(),
            action,
            config: config.clone(),
            secrets: match step {
                Step::RunFunction(step) => FunctionRun::of(&step.function).secrets,
                _ => Secrets {
                    all: secrets(step),
                    folder: written.place.manifest_dir,
                },
            },
            force,
            pins: None,
        });
    }
    Plan {
        layers,
        config,
        steps,
    }
}

/// Has the Python in `/usr/local` found before any other.
pub(super) fn python_first(config: &mut Config) {
    let path = config.path();
    let own = path.strip_prefix("/usr/local/sbin:").unwrap_or(path);
    if own.split(':').next() != Some("/usr/local/bin") {
        let path = format!("/usr/local/bin:{path}");
        config.set("PATH", &path);
    }
}

/// A standalone Python on a layer.
fn standalone_python(
    parent: LayerId,
    python: &StandalonePython,
    config: &mut Config,
    pip: &str,
    uv: &str,
    force: bool,
) -> (PlannedLayer, StepRecord) {
    python_first(config);
    let title = format!("standalone Python {}", python.version);
    let record = child(&parent, "standalone python", title, |fields| {
        fields
            .digest("archive", &python.sha256)
            .text("pip", pip)
            .text("uv", uv)
    });
    let action = Action::StandalonePython {
        python: python.clone(),
        pip: pip.into(),
        uv: uv.into(),
    };
    layered(record, action, config, force)
}

/// A layer that takes no secrets, and the record of what stands on a parent as that of a layer.
fn layered(
    record: StepRecord,
    action: Action,
    config: &Config,
    force: bool,
) -> (PlannedLayer, StepRecord) {
    let layer = PlannedLayer {
        id: record.id,
        title: record.title.clone(),
        action,
        config: config.clone(),
        secrets: Secrets::NONE,
        force,
        pins: None,
    };
    let layer_record = StepRecord {
        layer: true,
        ..record
    };
    (layer, layer_record)
}

/// The layer of a base.
pub fn base_layer(source: &BaseSource) -> PlannedLayer {
    PlannedLayer {
        id: base_record(source).id,
        title: source.describe(),
        action: Action::Base(source.clone()),
        config: Config::default(),
        secrets: Secrets::NONE,
        force: false,
        pins: None,
    }
}

fn base_record(source: &BaseSource) -> StepRecord {
    let mut fields = Fields::new(Encoder::new(TAG));
    fields.mark("base");
    match source {
        BaseSource::Scratch => fields.mark("scratch"),
        BaseSource::Registry { reference, digest } => fields
            .mark("registry")
            .text("digest", digest)
            .note("reference", reference),
        BaseSource::Archive {
            suite, packages, ..
        } => fields
            .mark("archive")
            .text("suite", suite)
            .files("packages", packages),
    };
    let (id, facts) = fields.finish();
    StepRecord {
        id,
        verb: "base".into(),
        title: source.describe(),
        layer: true,
        facts,
    }
}

/// The record of what stands on a parent; that it makes a layer is still to be said.
fn child(
    parent: &LayerId,
    verb: &str,
    title: String,
    say: impl FnOnce(&mut Fields) -> &mut Fields,
) -> StepRecord {
    let mut encoder = Encoder::new(TAG);
    encoder.digest(parent).text(verb);
    let mut fields = Fields::new(encoder);
    say(&mut fields);
    let (id, facts) = fields.finish();
    StepRecord {
        id,
        verb: verb.to_owned(),
        title,
        layer: false,
        facts,
    }
}

fn copied<'a>(target: &str, tree: &Digest, fields: &'a mut Fields) -> &'a mut Fields {
    fields.text("target", target).files("files", tree)
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
pub(super) fn secret_names<'a>(secrets: &[Secret], fields: &'a mut Fields) -> &'a mut Fields {
    if !secrets.is_empty() {
        let names: Vec<_> = secrets.iter().map(|secret| secret.identity()).collect();
        let names = names.iter().map(|[source, name]| (*source, *name));
        fields.mark("secrets").pairs("secrets", names);
    }
    fields
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}
