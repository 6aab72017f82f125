//! Programs with `#[app::main]`, run as a user runs them: what they print, what they leave, what they say when
//! something is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code: a panic is a failed test"
)]

mod builds;
mod caches;
mod clock;
mod conda;
mod deploy;
mod elsewhere;
mod explain;
mod export;
mod face;
mod gpus;
mod input;
mod lock;
mod misbehaving;
mod musl;
mod observed;
mod private;
mod pythons;
mod render;
mod secrets;
mod shared;
mod shell;
mod signals;
mod support;
