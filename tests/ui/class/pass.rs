//! `#[app::cls]` on classes of all kinds: everything in the `impl` stays, and what can be called has its verbs.

use std::path::PathBuf;

use image_runtime::__private::{RegisteredFunction, inventory};
use image_runtime::{Call, CallErrorKind, Class, Image, Map, app, image};

const ML: Image = image!(scratch());

/// A class with everything.
#[derive(Debug)]
pub(crate) struct Model {
    weights: Vec<f32>,
}

#[app::cls(image = ML, timeout = "1m", name = "renamed", max_containers = 2)]
impl Model {
    #![allow(
        dead_code,
        clippy::needless_arbitrary_self_type,
        reason = "it is here to be compiled"
    )]

    /// How many there are.
    pub(crate) const MOST: usize = 3;

    /// Made of a size.
    #[enter]
    pub(crate) async fn r#new(size: usize, text: &str) -> Result<Self, String> {
        match text {
            "" => Err("empty".into()),
            _ => Ok(Self {
                weights: vec![1.0; std::future::ready(size).await],
            }),
        }
    }

    /// One value.
    #[method]
    pub(crate) fn predict(&self, x: f32) -> f32 {
        self.weights.iter().map(|weight| weight * x).sum()
    }

    #[method]
    fn r#match(&mut self, instance: u8, value: &[u8]) -> Result<Vec<u8>, &'static str> {
        self.weights.push(f32::from(instance));
        Ok(value.to_vec())
    }

    #[method]
    fn handle_nothing(&self) {}

    #[cfg(false)]
    #[method]
    fn not_there(&self, missing: Missing) -> Missing {}

    #[exit]
    fn bye(&mut self) -> Result<(), String> {
        self.weights.clear();
        Ok(())
    }

    #[method]
    fn written_out(self: &Self, clone: usize) -> usize {
        self.weights.len() + clone
    }

    fn private(&self) -> usize {
        self.weights.len()
    }
}

/// A value that is its own state, and travels too.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Plain(PathBuf);

#[app::cls]
impl Plain {
    #[app::enter]
    fn open() -> anyhow::Result<Self> {
        Ok(Self(PathBuf::new()))
    }

    #[app::method]
    fn joined(&self, other: Self) -> Self {
        Self(self.0.join(other.0))
    }
}

#[test]
fn methods_register_by_the_name_of_their_class() {
    let mut names: Vec<_> = inventory::iter::<RegisteredFunction>
        .into_iter()
        .filter_map(|function| Some((function.0.class?.name, function.0.name)))
        .collect();
    names.sort_unstable();
    let expected = [
        ("Inner", "Inner.get"),
        ("Local", "Local.nothing"),
        ("Plain", "Plain.joined"),
        ("renamed", "renamed.handle_nothing"),
        ("renamed", "renamed.match"),
        ("renamed", "renamed.predict"),
        ("renamed", "renamed.written_out"),
        ("shadowed", "shadowed.grow"),
        ("shadowed", "shadowed.size"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_method_has_the_image_and_the_options_of_its_class() {
    let function = inventory::iter::<RegisteredFunction>
        .into_iter()
        .find(|function| function.0.name == "renamed.predict")
        .expect("it has registered");
    assert_eq!(function.0.image.expect("it names one").path, "ML");
    assert_eq!(function.0.options.max_containers, Some(2));
    let class = function.0.class.expect("it is a method");
    assert_eq!(class.enter.name, "renamed.new");
    assert_eq!(class.enter.parameters.len(), 2);
    assert_eq!(class.exit.as_ref().expect("it has one").name, "renamed.bye");
}

#[test]
fn the_verbs_have_the_types_of_the_method() {
    let handle: <Model as Class>::Handle = Model::handle(3, "x");
    let call: Call<f32> = handle.predict.remote(1.0);
    drop(call);
    let map: Map<'_, f32> = handle.predict.map([1.0, 2.0]);
    drop(map);
    let map: Map<'_, Vec<u8>> = handle.r#match.starmap([(1, [1_u8, 2])]);
    drop(map);
    drop(Plain::handle().joined.remote(Plain(PathBuf::new())));
    // Without `#[app::main]` or `#[app::test]` nothing serves.
    let error = handle
        .clone()
        .handle_nothing
        .remote()
        .blocking()
        .expect_err("nothing serves");
    assert_eq!(error.kind(), CallErrorKind::Engine);
    assert!(format!("{handle:?}").contains("renamed"));
}

mod nested {
    use super::{Model, app};

    /// A class of another module, and a state with a name of its own kind.
    pub(super) mod deep {
        #[derive(Default)]
        pub(crate) struct Inner<T>(pub(crate) T);
    }

    #[app::cls]
    impl deep::Inner<u8> {
        #[enter]
        fn make() -> Self {
            Self(1)
        }

        #[method]
        pub(super) fn get(&self) -> u8 {
            self.0
        }
    }

    pub(super) async fn from_elsewhere() {
        drop(deep::Inner::<u8>::handle().get.remote());
        drop(Model::handle(1, "x").predict.remote(1.0));
    }
}

#[test]
fn a_class_can_stand_in_a_function() {
    struct Local;

    #[app::cls]
    impl Local {
        #[enter]
        fn new() -> Self {
            Self
        }

        #[method]
        fn nothing(&self) {}
    }

    drop(Local::handle().nothing.remote());
    drop(nested::from_elsewhere());
}
