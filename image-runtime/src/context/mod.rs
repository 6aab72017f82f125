//! Local files on their way into a layer: which of a directory's files are taken, what identifies them, and how they are given
//! to an engine.

pub mod copied;
mod error;
mod hash;
pub mod ignore;
mod source;
mod stat;
mod tree;
mod walk;

pub use copied::{Context, Taken};
pub use error::ContextError;
pub(crate) use source::{Content, MTIME};
pub use tree::{Node, NodeKind, Tree};
