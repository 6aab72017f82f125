//! What inventory collected of this program, sorted: images, functions, the program's settings, its tests.

use crate::spec::{AppSpec, FunctionSpec, Image, TestEntry};

/// An image that `image!` registered.
#[derive(Debug)]
pub struct RegisteredImage(pub Image);

/// A function that `#[app::function]` registered.
#[derive(Debug)]
pub struct RegisteredFunction(pub &'static FunctionSpec);

/// The settings that `app::config!` registered.
#[derive(Debug)]
pub struct RegisteredApp(pub &'static AppSpec);

/// A test that `#[app::test]` registered.
#[derive(Debug)]
pub struct RegisteredTest(pub &'static TestEntry);

inventory::collect!(RegisteredImage);
inventory::collect!(RegisteredFunction);
inventory::collect!(RegisteredApp);
inventory::collect!(RegisteredTest);

/// All functions, in no order.
pub fn functions() -> impl Iterator<Item = &'static FunctionSpec> {
    inventory::iter::<RegisteredFunction>.into_iter().map(|registered| registered.0)
}
