//! A program whose steps and functions are given secrets. Its steps run in every build.

use image_runtime::{Image, Secret, app, image};

const TOKEN: Secret = Secret::from_env("IMAGE_TESTS_TOKEN");
const TOLD: Image = image!(
    debian_slim()
        .run_commands(
            "test \"$IMAGE_TESTS_TOKEN\" && test \"$NAMED\" && test \"$FILED\"",
            "echo \"<$IMAGE_TESTS_TOKEN>\"; echo \"<$NAMED>\" >&2; echo \"<$FILED>\"",
            secrets = [
                Secret::from_env("IMAGE_TESTS_TOKEN"),
                Secret::from_name("image-runtime-tests"),
                Secret::from_dotenv("cli/data/changing/generated.env"),
            ],
            force_build = true
        )
        .run_commands("env > /environment")
);
const FAILING: Image = image!(debian_slim().run_commands(
    "echo \"<$IMAGE_TESTS_TOKEN>\"; exit 3",
    secrets = [Secret::from_env("IMAGE_TESTS_TOKEN")]
));
/// From an index that lets in who has the token.
const PRIVATE: Image = image!(
    debian_slim(python_version = "3.11")
        .pip_install(
            "sample==1.0",
            index_url = "http://user:${IMAGE_TESTS_TOKEN}@${IMAGE_TESTS_HOST}/simple",
            secrets = [
                Secret::from_env("IMAGE_TESTS_TOKEN"),
                Secret::from_env("IMAGE_TESTS_HOST"),
            ],
            force_build = true
        )
        .pip_install(
            "direct @ http://user:${IMAGE_TESTS_TOKEN}@${IMAGE_TESTS_HOST}/direct-1.0-py3-none-any.whl",
            secrets = [
                Secret::from_env("IMAGE_TESTS_TOKEN"),
                Secret::from_env("IMAGE_TESTS_HOST"),
            ]
        )
);

#[app::function(image = TOLD)]
fn environment() -> String {
    let own: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    let built = std::fs::read_to_string("/environment").unwrap_or_default();
    format!("{} {built}", own.join(" "))
}

#[app::function(image = FAILING)]
fn in_failing() {}

#[app::function(image = PRIVATE)]
fn in_private() {}

/// Shows what it must not show.
#[app::function(secrets = [TOKEN])]
fn given(fail: bool) -> Result<usize, String> {
    let token = std::env::var("IMAGE_TESTS_TOKEN").map_err(|error| error.to_string())?;
    println!("<{token}>");
    // Lines of such a length are told in pieces.
    let begin = "x".repeat(64 * 1024 - token.len() / 2);
    println!("{begin}{token}");
    match fail {
        true => Err(format!("<{token}>")),
        false => Ok(token.len()),
    }
}

#[app::main]
fn main() {}
