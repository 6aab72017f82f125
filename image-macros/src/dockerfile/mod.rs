//! Dockerfiles, read and checked while compiling: lines → instructions → stages → const data.
//!
//! The syntax is BuildKit's. What depends on the base image, the values of variables, is left to the build; all else is decided here.

mod instruction;
mod json;
mod lines;
mod model;
mod mount;
mod platform;
mod port;
mod stages;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub(crate) use model::{Dockerfile, Kind};
pub(crate) use stages::{Request, commands, file};

use crate::diag::Fault;

/// Something wrong, and where.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) fault: Fault,
}

/// Where something is wrong: in the file, or in what was asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// From 1.
    Line(u32),
    /// The index of one of the `build_args`.
    BuildArg(usize),
    Target,
}

impl Problem {
    fn at(line: u32, fault: Fault) -> Self {
        let place = Place::Line(line);
        Self { place, fault }
    }
}

type Result<T> = std::result::Result<T, Problem>;

/// What has several parts, each of which can be wrong.
type Several<T> = std::result::Result<T, Vec<Fault>>;

impl From<Fault> for Vec<Fault> {
    fn from(fault: Fault) -> Self {
        vec![fault]
    }
}

/// All of them, or all that is wrong with them.
fn each<T, U>(
    parts: &[T],
    read: impl FnMut(&T) -> std::result::Result<U, Fault>,
) -> Several<Vec<U>> {
    let (mut good, mut faults) = (Vec::new(), Vec::new());
    for part in parts.iter().map(read) {
        match part {
            Ok(part) => good.push(part),
            Err(fault) => faults.push(fault),
        }
    }
    match faults.is_empty() {
        true => Ok(good),
        false => Err(faults),
    }
}
