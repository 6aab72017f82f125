//! What stands around Python requirements: options of the installer, requirements files, projects and their locks. Files are
//! read while compiling; what is wrong in one is said with its line.

pub(crate) mod file;
pub(crate) mod lock;
pub(crate) mod options;
pub(crate) mod project;
pub(crate) mod requirements;
#[cfg(test)]
mod tests;
