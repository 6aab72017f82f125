//! The cases, by subject.

pub(crate) mod containers;
pub(crate) mod exporting;
pub(crate) mod files;
pub(crate) mod layers;
pub(crate) mod pulling;
pub(crate) mod saving;
pub(crate) mod sweeping;
pub(crate) mod walls;
