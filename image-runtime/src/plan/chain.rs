//! An image with its extensions unrolled: one root base and all steps in order.

use crate::spec::base::{BuilderVersion, DebianSlim, FromDockerfile, FromRegistry, PythonVersion};
use crate::spec::dockerfile::{Dockerfile, Instruction, Source};
use crate::spec::{Base, Image, Place, Secret, Secrets, Step};

/// What a chain starts from, once no image is extended any more.
#[derive(Clone, Copy, Debug)]
pub enum Root {
    /// Minimal Debian, with the Python that was asked for or that a step needs.
    Debian {
        /// What the builder version pins.
        builder: BuilderVersion,
        /// The Python, if one is needed.
        python: Option<PythonVersion>,
    },
    /// An image of a registry.
    Registry {
        /// The reference as written.
        reference: &'static str,
        /// What tells the registry who asks, if anything.
        secrets: Secrets,
    },
    /// Nothing.
    Scratch,
}

/// One step, and where its `image!` stands.
#[derive(Clone, Copy, Debug)]
pub struct ChainStep {
    /// What it does.
    pub part: Part,
    /// The place of the `image!` that holds it.
    pub place: Place,
}

/// What one step does.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A verb.
    Verb(&'static Step),
    /// An instruction of a Dockerfile.
    Instruction(&'static Instruction, Origin),
    /// `add_python`: a standalone Python.
    Python(PythonVersion),
    /// The conda prefix of `micromamba`, with its Python.
    Conda(PythonVersion),
}

/// Where an instruction stands.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// What its `RUN --mount=type=secret` can name.
    pub secrets: &'static [Secret],
    /// All that was written with it.
    pub dockerfile: &'static Dockerfile,
    /// The directory that `COPY` takes files from, as written.
    pub context: &'static str,
    /// The index of its stage.
    pub stage: usize,
    /// Whether it and all after it are built in this run.
    pub force: bool,
}

/// An image with its extensions unrolled.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What it starts from.
    pub root: Root,
    /// Every step, from the root on.
    pub steps: Vec<ChainStep>,
}

impl Chain {
    /// Unrolls an image.
    pub fn of(image: Image) -> Self {
        let mut specs = vec![image.spec()];
        let root = loop {
            let spec = specs[specs.len() - 1];
            match &spec.base {
                Base::Image(extended) => specs.push(extended.image.spec()),
                root => break root,
            }
        };
        let (mut steps, mut bottom) = (Vec::new(), None);
        for spec in specs.iter().rev() {
            let place = spec.place;
            if let Base::FromDockerfile(base) = &spec.base {
                let origin = Origin {
                    dockerfile: &base.dockerfile,
                    context: base.context_dir,
                    stage: base.dockerfile.target,
                    force: false,
                    secrets: base.secrets,
                };
                bottom = Some(push_stage(&mut steps, origin, spec.place));
            }
            if let Base::Micromamba(base) = spec.base {
                let part = Part::Conda(base.python);
                steps.push(ChainStep { part, place });
            }
            if let Base::FromRegistry(FromRegistry {
                add_python: Some(python),
                ..
            })
            | Base::FromDockerfile(FromDockerfile {
                add_python: Some(python),
                ..
            }) = spec.base
            {
                let part = Part::Python(python);
                steps.push(ChainStep { part, place });
            }
            steps.extend(spec.steps.iter().flat_map(|step| parts(step, spec.place)));
        }
        let root = match root {
            &Base::DebianSlim(DebianSlim { python, builder }) => {
                let needed = steps.iter().any(needs_python);
                Root::Debian {
                    builder,
                    python: python.or(needed.then_some(builder.python)),
                }
            }
            Base::Micromamba(base) => Root::Debian {
                builder: base.builder,
                python: None,
            },
            Base::FromRegistry(base) => Root::Registry {
                reference: base.reference,
                secrets: Secrets {
                    all: base.secret.as_slice(),
                    folder: specs[specs.len() - 1].place.manifest_dir,
                },
            },
            Base::FromDockerfile(_) => bottom.unwrap_or(Root::Scratch),
            Base::Scratch | Base::Image(_) => Root::Scratch,
        };
        Self { root, steps }
    }

    /// A stage of the Dockerfile that an instruction stands in.
    pub fn of_stage(origin: Origin, stage: usize, place: Place) -> Self {
        let mut steps = Vec::new();
        let origin = Origin {
            stage,
            force: false,
            ..origin
        };
        let root = push_stage(&mut steps, origin, place);
        Self { root, steps }
    }

    /// The Python that `add_python` puts in.
    pub fn added_python(&self) -> Option<PythonVersion> {
        self.steps.iter().find_map(|step| match step.part {
            Part::Python(python) => Some(python),
            _ => None,
        })
    }

    /// An image of a registry as it is.
    pub fn of_registry(reference: &'static str) -> Self {
        Self {
            root: public(reference),
            steps: Vec::new(),
        }
    }
}

/// An image of a registry that needs no secret.
fn public(reference: &'static str) -> Root {
    let secrets = Secrets::NONE;
    Root::Registry { reference, secrets }
}

/// The parts of a step: one, or one an instruction.
fn parts(step: &'static Step, place: Place) -> Vec<ChainStep> {
    let Step::DockerfileCommands(commands) = step else {
        let part = Part::Verb(step);
        return vec![ChainStep { part, place }];
    };
    let origin = Origin {
        dockerfile: &commands.instructions,
        context: commands.context_dir,
        stage: 0,
        force: commands.force_build,
        secrets: commands.secrets,
    };
    let instructions = commands.instructions.stages.iter();
    let instructions = instructions.flat_map(|stage| stage.instructions);
    instructions
        .map(|instruction| ChainStep {
            part: Part::Instruction(instruction, origin),
            place,
        })
        .collect()
}

/// The instructions of a stage, after those of the stage that it starts from; answers what the lowest starts from.
fn push_stage(steps: &mut Vec<ChainStep>, origin: Origin, place: Place) -> Root {
    let here = &origin.dockerfile.stages[origin.stage];
    let root = match here.base {
        Source::Stage(stage) => push_stage(steps, Origin { stage, ..origin }, place),
        Source::Image(reference) => public(reference),
        Source::Nothing | Source::Context => Root::Scratch,
    };
    steps.extend(here.instructions.iter().map(|instruction| ChainStep {
        part: Part::Instruction(instruction, origin),
        place,
    }));
    root
}

fn needs_python(step: &ChainStep) -> bool {
    matches!(
        step.part,
        Part::Verb(
            Step::PipInstall(_)
                | Step::PipInstallFromRequirements(_)
                | Step::PipInstallFromPyproject(_)
                | Step::UvSync(_)
        )
    )
}
