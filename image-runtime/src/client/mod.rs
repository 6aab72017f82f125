//! Calls: from `f::remote(…)` to its result.

mod call;
mod error;
mod future;
mod host;
mod pool;

pub use call::Call;
pub use error::{CallError, CallErrorKind};
pub(crate) use host::{Host, HostSettings};
