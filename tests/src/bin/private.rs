//! A program whose images start from one of a private registry.

use image_runtime::{Image, app, image};

const PRIVATE: Image = image!(from_registry(
    "127.83.21.7:42571/team/private:1",
    secret = Secret::from_name("image-runtime-tests-registry")
));
const BY_VARIABLE: Image = image!(
    from_registry(
        "127.83.21.7:42571/team/private:1",
        secret = Secret::from_env("IMAGE_TESTS_LOGIN")
    )
    .workdir("/")
);
const COPIED: Image = image!(PRIVATE.copy_local_file("Cargo.toml", "/copied"));
const NOTHING: Image = image!(scratch().copy_local_file("Cargo.toml", "/Cargo.toml"));

#[app::function(image = PRIVATE)]
fn read() -> std::io::Result<String> {
    std::fs::read_to_string("/Cargo.toml")
}

#[app::function(image = COPIED)]
fn copied() {}

#[app::function(image = BY_VARIABLE)]
fn by_variable() {}

#[app::function(image = NOTHING)]
fn nothing() {}

#[app::main]
fn main() {}
