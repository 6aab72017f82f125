//! An image as written: names and arguments, not yet looked up.

use syn::{ExprPath, Ident};

use crate::syntax::Arguments;

/// `base.step(…).step(…)`, as far as it could be read.
#[derive(Default)]
pub(crate) struct Chain {
    /// What the chain starts from.
    pub(crate) base: Option<Base>,
    /// The steps that follow.
    pub(crate) steps: Vec<Call>,
    /// What follows the chain.
    pub(crate) keywords: Option<Arguments>,
}

/// What stands first.
pub(crate) enum Base {
    /// `debian_slim(…)`
    Call(Call),
    /// `images::ML`
    Path(ExprPath),
}

/// A name and what stands in its parentheses.
pub(crate) struct Call {
    /// The name.
    pub(crate) name: Ident,
    /// Nothing where the parentheses are missing: an editor still completes the name.
    pub(crate) arguments: Option<Arguments>,
}
