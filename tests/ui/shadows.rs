//! Names of the user that no expansion may mean: modules, types, traits and macros of the prelude's names, and methods of every type.

/// What stands around the macros below, by a glob.
#[allow(
    dead_code,
    non_camel_case_types,
    unused_imports,
    unused_macros,
    reason = "only the names count"
)]
mod names {
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod alloc {}
    pub(crate) mod image_runtime {}
    macro_rules! types {
        ($($name:ident)*) => { $(pub(crate) struct $name;)* };
    }
    types!(Vec String Box Option Some None Result Ok Err u8 u32 usize str bool Image Secret Call Handle Place);
    macro_rules! traits {
        ($($name:ident)*) => { $(pub(crate) trait $name {})* };
    }
    traits!(Clone Copy Debug Send Sync Iterator IntoIterator Into From AsRef);
    macro_rules! hostile {
        () => {
            compile_error!("a macro of the user was expanded");
        };
    }
    pub(crate) use hostile as panic;
    pub(crate) use hostile as vec;
    pub(crate) use hostile as concat;
    pub(crate) use hostile as env;
    pub(crate) use hostile as file;
    pub(crate) use hostile as line;
    pub(crate) use hostile as column;
    pub(crate) use hostile as module_path;
    pub(crate) use hostile as include_bytes;
    pub(crate) use hostile as include_str;

    /// Methods that every type has, and that take it away.
    pub(crate) trait Everywhere: Sized {
        fn encode(self) -> u8 {
            u8
        }
        fn failure(self) -> u8 {
            u8
        }
        fn step(self) -> u8 {
            u8
        }
        fn spawn(self) -> u8 {
            u8
        }
        fn read(self) -> u8 {
            u8
        }
        fn write(self) -> u8 {
            u8
        }
        fn set(self) -> u8 {
            u8
        }
        fn clone(self) -> u8 {
            u8
        }
        fn map(self) -> u8 {
            u8
        }
        fn decode() -> u8 {
            u8
        }
        fn remote() -> u8 {
            u8
        }
    }
    impl<T> Everywhere for T {}
}

#[allow(dead_code, reason = "it is here to be compiled")]
mod inner {
    #[allow(unused_imports, reason = "nothing is to mean any of them")]
    use super::names::*;
    use ::image_runtime::{app, image};

    pub(super) const ML: ::image_runtime::Image = image!(
        debian_slim(python_version = "3.11")
            .apt_install("git", force_build = true)
            .run_commands("true", secrets = [Secret::from_env("TOKEN")])
            .copy_local_dir("ui", "/ui")
            .dockerfile_commands("RUN true")
            .run_function(nothing)
    );

    const DOCKERFILE: ::image_runtime::Image =
        image!(from_dockerfile("functions/dockerfiles/plain.Dockerfile"));

    #[app::function(name = "shadowed-nothing", image = DOCKERFILE, retries = 3, gpu = ["A100", "any"], env = { "A": "1" })]
    fn nothing() {}

    #[app::function(name = "shadowed-fallible", image = ML)]
    fn fallible(
        text: &::core::primitive::str,
        bytes: &[::core::primitive::u8],
    ) -> ::core::result::Result<::std::string::String, ::std::io::Error> {
        let _ = bytes;
        ::core::result::Result::Ok(::std::string::ToString::to_string(text))
    }

    #[app::function(name = "shadowed-items")]
    async fn items(
        count: ::core::primitive::u32,
    ) -> impl ::core::iter::Iterator<Item = ::core::primitive::u32> {
        0..count
    }

    #[app::python(name = "shadowed-train", file = "ui/python/train.py")]
    fn train(
        epochs: ::core::primitive::u32,
    ) -> ::core::result::Result<::core::primitive::f64, ::std::io::Error>;

    pub(super) struct Model(::core::primitive::u32);

    #[app::cls(name = "shadowed", image = ML)]
    impl Model {
        #[enter]
        fn new(size: ::core::primitive::u32) -> Self {
            Self(size)
        }

        #[method]
        fn size(&self) -> ::core::primitive::u32 {
            self.0
        }

        #[method]
        async fn grow(&mut self) -> ::core::result::Result<(), ::std::io::Error> {
            self.0 += 1;
            ::core::result::Result::Ok(())
        }
    }

    #[app::main]
    pub(super) fn main() {}

    #[app::test]
    fn a_test_starts() {}
}

#[test]
fn expansions_mean_what_they_mean_whatever_the_user_calls_his_own() {
    assert_eq!(inner::ML.spec().steps.len(), 5);
    drop(inner::Model::handle(1).size.remote());
}
