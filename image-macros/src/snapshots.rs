//! What the macros write, as one would write it by hand: every kind of expansion once.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{class, config, entry, function, image, script};

/// Formats items.
fn items(tokens: TokenStream) -> String {
    prettyplease::unparse(&syn::parse2(tokens).expect("the expansion is a file of items"))
}

/// Formats an expression, as the value of a constant.
fn expression(tokens: TokenStream) -> String {
    items(quote!(const IMAGE: Image = #tokens;))
}

#[test]
fn an_image_with_every_step() {
    insta::assert_snapshot!(expression(image::image(quote! {
        debian_slim(python_version = "3.12.1", builder_version = "2023.12")
            .apt_install("git", "curl", force_build = true)
            .uv_pip_install("numpy==2.2.6")
            .run_commands("make")
            .copy_local_file("Cargo.toml", "/root/Cargo.toml")
            .copy_local_dir("src", "/root/src", ignore = ["*.snap"])
            .env({ "A": "1", "B": "2" })
            .workdir("/app")
    })));
}

#[test]
fn an_image_that_extends_another() {
    insta::assert_snapshot!(expression(image::image(quote!(
        crate::images::ML.workdir("/app")
    ))));
}

#[test]
fn an_image_of_a_registry() {
    insta::assert_snapshot!(expression(image::image(quote!(from_registry(
        "alpine:3.20"
    )))));
}

#[test]
fn an_image_of_a_dockerfile() {
    insta::assert_snapshot!(expression(image::image(quote! {
        from_dockerfile("src/dockerfile/testdata/right.Dockerfile", build_args = { "JOBS": "4" }, context_dir = ".")
            .dockerfile_commands("ENV A=1", "RUN echo $A")
    })));
}

#[test]
fn a_wrong_dockerfile_is_told_with_its_lines() {
    insta::assert_snapshot!(expression(image::image(quote! {
        from_dockerfile("src/dockerfile/testdata/wrong.Dockerfile", target = "build")
    })));
}

#[test]
fn a_wrong_dockerfile_is_told_beside_a_wrong_keyword() {
    let text = image::image(quote! {
        from_dockerfile("src/dockerfile/testdata/wrong.Dockerfile", contxt_dir = "src", target = 1)
    });
    let errors = [
        "unknown keyword `contxt_dir`",
        "`target` must be a string",
        "unknown instruction `RUNN`",
    ];
    let text = text.to_string();
    let found = errors.map(|error| text.contains(error));
    assert_eq!(
        (found, text.matches("compile_error").count()),
        ([true; 3], 3),
        "{text}"
    );
}

#[test]
fn a_file_of_this_machine_is_read_and_advised_against() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let dockerfile = file("Dockerfile", "FROM scratch\n");
    let list = file("requirements.txt", "six==1.17.0\n");
    let text = image::image(quote! {
        from_dockerfile(#dockerfile).pip_install_from_requirements(#list)
    });
    let text = text.to_string();
    for path in [dockerfile, list] {
        assert!(
            text.contains(&format!("include_bytes ! ({path:?})")),
            "{text}"
        );
        assert!(
            text.contains(&format!("`{path}` is a path of this machine")),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_image_stays_a_value_and_shows_an_editor_what_was_written() {
    insta::assert_snapshot!(expression(image::image(quote! {
        debian_slim(pyth = "3.11").apt_install("git", forc).pip
    })));
}

#[test]
fn a_function_with_all_keywords() {
    insta::assert_snapshot!(items(function::function(
        quote!(image = images::ML, timeout = "5m", env = { "K": "V" }, name = "renamed"),
        quote! {
            /// Trains.
            #[cfg(feature = "training")]
            pub fn train(mut epochs: u32, name: &str, data: &[f64]) -> anyhow::Result<f64> {
                body(epochs)
            }
        },
    )));
}

#[test]
fn an_async_function_without_keywords() {
    insta::assert_snapshot!(items(function::function(
        quote!(),
        quote!(
            async fn ping() {}
        ),
    )));
}

#[test]
fn a_class() {
    insta::assert_snapshot!(items(class::class(
        quote!(image = ML, timeout = "5m"),
        quote! {
            /// Predicts.
            impl Model {
                /// Makes it.
                #[enter]
                fn new(size: u32) -> Result<Self, Error> {
                    body(size)
                }

                #[method]
                fn predict(&self, x: f32) -> f32 {
                    body(x)
                }

                #[exit]
                async fn bye(&mut self) {}

                const OTHER: u8 = 1;
            }
        },
    )));
}

#[test]
fn a_function_of_a_python_file() {
    let code = items(script::python(
        quote!(image = ML, file = "src/script/example.py"),
        quote! {
            /// Trains.
            fn train(epochs: u32) -> anyhow::Result<impl Iterator<Item = f64>>;
        },
    ));
    insta::assert_snapshot!(code.replace(env!("CARGO_MANIFEST_DIR"), "CRATE"));
}

#[test]
fn a_wrong_head_leaves_the_function_alone() {
    insta::assert_snapshot!(items(function::function(
        quote!(),
        quote!(
            fn generic<T>(value: T) {}
        ),
    )));
}

#[test]
fn an_async_main() {
    insta::assert_snapshot!(items(entry::main(
        quote!(cli = false),
        quote! {
            /// Starts.
            #[instrument]
            async fn main() -> anyhow::Result<()> {
                body().await
            }
        },
    )));
}

#[test]
fn a_test() {
    insta::assert_snapshot!(items(entry::test(
        quote!(),
        quote! {
            #[ignore = "slow"]
            async fn trains() -> Result<(), String> {
                body().await
            }
        },
    )));
}

#[test]
fn settings_of_a_program() {
    insta::assert_snapshot!(items(config::config(quote! {
        name = "etl", image = ML, timeout = "1h", env = { "K": "V" }
    })));
}
