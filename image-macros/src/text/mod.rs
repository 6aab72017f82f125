//! Checkers of texts: each takes the value of one string literal and says what is wrong with it. No tokens here.

pub(crate) mod apt;
pub(crate) mod conda;
pub(crate) mod container_path;
pub(crate) mod duration;
pub(crate) mod gpu;
pub(crate) mod ignore;
pub(crate) mod local;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod outside;
pub(crate) mod pep440;
pub(crate) mod pep508;
pub(crate) mod plain;
pub(crate) mod reference;

use crate::diag::Fault;

/// Anything: its meaning is checked elsewhere.
pub(crate) fn any(_: &str) -> Result<(), Fault> {
    Ok(())
}
