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

/// Something wrong, and the line it is in, from 1.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) line: u32,
    pub(crate) fault: Fault,
}

impl Problem {
    fn at(line: u32, fault: Fault) -> Self {
        Self { line, fault }
    }
}

type Result<T> = std::result::Result<T, Problem>;
