//! An image that is right: every name known, every value of its type.

use syn::{ExprPath, Ident, LitStr};

use super::builder::{Builder, Python};
use crate::advice::Advice;
use crate::dockerfile::Dockerfile;
use crate::keyword::Checked;
use crate::python::requirements::Requirements;

/// What an `image!( … )` means.
pub(crate) struct Image {
    pub(crate) base: Base,
    pub(crate) steps: Vec<Call>,
}

impl Image {
    /// The base, where it is a call, and the steps.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        let base = match &self.base {
            Base::Call(call) => Some(call),
            Base::Image(_) => None,
        };
        base.into_iter().chain(&self.steps)
    }
}

/// What the chain starts from.
pub(crate) enum Base {
    Call(Call),
    /// Another image.
    Image(ExprPath),
}

/// A base or a step.
pub(crate) struct Call {
    /// The name of the item in `image-runtime`, with the span of what the user wrote.
    pub(crate) name: Ident,
    pub(crate) positional: Vec<Argument>,
    pub(crate) keywords: Vec<(Ident, Argument)>,
    /// Whether these are all that were written: one that is wrong is left out.
    pub(crate) is_whole: bool,
    pub(crate) advice: Vec<Advice>,
    /// Files that were read, from the folder of the crate's Cargo.toml: an edit of one compiles again.
    pub(crate) files: Vec<String>,
}

impl Call {
    /// The keyword of that name, if it was written and is right.
    pub(crate) fn keyword(&mut self, name: &str) -> Option<&mut (Ident, Argument)> {
        self.keywords
            .iter_mut()
            .find(|(keyword, _)| keyword == name)
    }
}

/// What is handed to an item of `image-runtime`.
pub(crate) enum Argument {
    Checked(Checked),
    /// One or more strings as one slice.
    Strings(Vec<LitStr>),
    Builder(&'static Builder),
    Python(Python),
    /// A Dockerfile that was read, and the file it was read from.
    Dockerfile(Dockerfile),
    Requirements(Requirements),
    Project(Project),
}

/// What `uv_sync` installs: the texts of its files.
pub(crate) struct Project {
    pub(crate) pyproject: String,
    pub(crate) lock: Option<String>,
}
