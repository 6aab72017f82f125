//! Dockerfiles, read and checked while compiling: lines → instructions → stages → const data.
//!
//! The syntax is BuildKit's. What depends on the base image, the values of variables, is left to the build; all else is decided here.

mod instruction;
mod json;
mod lines;
mod model;
mod mount;
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
