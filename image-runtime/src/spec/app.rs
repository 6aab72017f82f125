//! What belongs to the whole program: `app::config!` and the tests that can start a worker.

use super::{FunctionOptions, ImageRef, Place};

/// What `app::config!` says.
#[derive(Debug)]
pub struct AppSpec {
    /// `name = "etl"`: the app's name; without it the package's.
    pub name: Option<&'static str>,
    /// `image = ML`: the image of every function that names none.
    pub image: Option<ImageRef>,
    /// Defaults of every function's options.
    pub options: FunctionOptions,
    /// Where the macro call stands.
    pub place: Place,
}

/// A test under `#[app::test]`: a test program is started as a worker by running one of them.
#[derive(Debug)]
pub struct TestEntry {
    /// `module_path!()` and the test's name, joined by `::`.
    pub path: &'static str,
}
