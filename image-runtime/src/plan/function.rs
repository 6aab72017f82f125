//! Functions that run while an image is built: what of them is part of an identity.

use super::fields::Fields;
use super::lower::secret_names;
use crate::registry::Program;
use crate::spec::{BuildFunction, FunctionOptions, Invoke, Secrets};

/// A function, and what its keywords and the program's settings say.
#[derive(Clone, Copy, Debug)]
pub struct FunctionRun {
    /// The name it is called by.
    pub name: &'static str,
    /// Its `env` and its `timeout` are what counts.
    pub options: FunctionOptions,
    /// What it is given.
    pub secrets: Secrets,
    source: &'static str,
    /// The Python file that holds its body.
    python: Option<&'static str>,
}

impl FunctionRun {
    /// Looks at a function.
    pub fn of(function: &BuildFunction) -> Self {
        let spec = (function.spec)();
        // What a program contradicts itself in is told before anything is built.
        let program = Program::get().ok();
        let own = Secrets {
            all: spec.options.secrets,
            folder: spec.place.manifest_dir,
        };
        Self {
            name: spec.name,
            options: program.map_or(spec.options, |program| program.options_of(spec)),
            secrets: program.map_or(own, |program| program.secrets_of(spec)),
            source: function.source,
            python: match spec.invoke {
                Invoke::Python(python) => Some(python.text),
                _ => None,
            },
        }
    }

    /// Its text, its environment and the names of its secrets. How long it may take changes nothing of what it writes.
    pub(super) fn encode<'a>(&self, fields: &'a mut Fields) -> &'a mut Fields {
        fields.text("function", self.source);
        if let Some(python) = self.python {
            fields.text("file", python);
        }
        fields.pairs("env", self.options.env.iter().copied());
        secret_names(self.secrets.all, fields)
    }
}
