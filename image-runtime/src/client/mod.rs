//! Calls: from `f::remote(…)` to its result.

mod call;
mod error;
mod future;
mod host;
mod pool;

pub use call::Call;
pub(crate) use error::chain;
pub use error::{CallError, CallErrorKind};
pub(crate) use future::runtime;
pub(crate) use host::{Host, HostSettings};
