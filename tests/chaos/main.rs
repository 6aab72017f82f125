//! The engines among accidents: programs, containers and daemons that are killed at any instant, and stores that somebody damaged.
//! Nothing may be lost or left, and no answer may be wrong.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is test code: a panic is a failed test"
)]

mod calls;
mod daemons;
mod damage;
mod kills;
mod left;
mod places;
mod prune;
mod world;
