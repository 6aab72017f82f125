//! Calls: from `f::remote(…)` to its result.

mod call;
mod class;
mod control;
mod error;
mod future;
mod gateway;
mod handle;
mod host;
mod inbox;
mod items;
mod job;
mod limits;
mod map;
mod onward;
mod outside;
mod pool;
mod route;
mod supervisor;
mod timings;
mod volumes;

pub use call::Call;
pub use class::{Callee, Class, Instance};
pub(crate) use control::{Request, Shown, Which, ask_all, is_of};
pub(crate) use error::chain;
pub use error::{CallError, CallErrorKind};
pub(crate) use future::runtime;
pub use handle::{CallId, Handle};
pub(crate) use host::{Host, HostSettings, Kept};
pub use items::{BlockingItems, Items};
pub use map::{BlockingMap, Map};
pub(crate) use route::call;
pub(crate) use supervisor::{
    Deployed, Role, deploy, is_supervisor, keep, serve_here, with_listeners,
};
pub(crate) use timings::Measured;
