//! A class: functions that share a state, which each container makes once.

use super::{FunctionSpec, Invoke};

/// What `#[app::cls]` knows of a class.
#[derive(Debug)]
pub struct ClassSpec {
    /// The name it is called by: the type's own, or `name = "…"`.
    pub name: &'static str,
    /// What makes the state of a container. Its result is empty.
    pub enter: FunctionSpec,
    /// What is done before a container ends.
    pub exit: Option<ExitSpec>,
}

/// What a class does before a container ends.
#[derive(Debug)]
pub struct ExitSpec {
    /// Its name, with the class's.
    pub name: &'static str,
    /// Runs it, without arguments. Its result is empty.
    pub invoke: Invoke,
}
