//! An image as written: names and arguments, not yet looked up.

use syn::{Ident, Path};

use crate::syntax::Arguments;

/// `base.step(…).step(…)`, as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// What the chain starts from.
    pub(crate) base: Option<Base>,
    /// The steps that follow.
    pub(crate) steps: Vec<Call>,
}

/// What stands first.
#[derive(Debug)]
pub(crate) enum Base {
    /// `debian_slim(…)`
    Call(Call),
    /// `images::ML`
    Path(Path),
}

/// A name and what stands in its parentheses.
#[derive(Debug)]
pub(crate) struct Call {
    /// The name.
    pub(crate) name: Ident,
    /// Nothing where the parentheses are missing (which has been reported): an editor still completes the name.
    pub(crate) arguments: Option<Arguments>,
}
