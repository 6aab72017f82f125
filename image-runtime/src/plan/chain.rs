//! An image with its extensions unrolled: one root base and all steps in order.

use crate::spec::base::{BuilderVersion, DebianSlim, PythonVersion};
use crate::spec::{Base, Image, Place, Step};

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
    },
    /// Nothing.
    Scratch,
}

/// One step, and where its `image!` stands.
#[derive(Clone, Copy, Debug)]
pub struct ChainStep {
    /// The step.
    pub step: &'static Step,
    /// The place of the `image!` that holds it.
    pub place: Place,
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
            match specs[specs.len() - 1].base {
                Base::Image(extended) => specs.push(extended.image.spec()),
                root => break root,
            }
        };
        let steps: Vec<_> = specs
            .iter()
            .rev()
            .flat_map(|spec| {
                spec.steps.iter().map(|step| ChainStep {
                    step,
                    place: spec.place,
                })
            })
            .collect();
        let root = match root {
            Base::DebianSlim(DebianSlim { python, builder }) => {
                let needed = steps.iter().any(|step| needs_python(step.step));
                Root::Debian {
                    builder,
                    python: python.or(needed.then_some(builder.python)),
                }
            }
            Base::FromRegistry(base) => Root::Registry {
                reference: base.reference,
            },
            Base::Scratch | Base::Image(_) => Root::Scratch,
        };
        Self { root, steps }
    }
}

fn needs_python(step: &Step) -> bool {
    matches!(
        step,
        Step::PipInstall(_)
            | Step::PipInstallFromRequirements(_)
            | Step::PipInstallFromPyproject(_)
            | Step::UvSync(_)
    )
}
