//! Layers and containers made by this very process, with no daemon: overlayfs and namespaces of Linux.

pub(crate) mod files;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub use files::fuzz;
