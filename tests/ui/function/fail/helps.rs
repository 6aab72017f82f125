//! One mistake, one error, and no advice that does not compile.

use image_runtime::{Image, app, image};

const ML: Image = image!(debian_slim());

#[app::function(ML)]
fn without_a_name() {}

#[app::function(image: ML)]
fn colon() {}

#[app::function(retries)]
fn without_a_value() {}

#[app::function("5m")]
fn text() {}

#[app::function(image = image!(debian_slim()))]
fn made_here() {}

#[app::function(network = "none")]
fn no_bool() {}

#[app::function(network = "false")]
fn quoted() {}

#[app::function(retries = retries(count = 3))]
fn other_keyword() {}

#[app::function]
fn slice(bytes: [u8]) {}

#[app::function]
fn text_without_size() -> str {}

#[app::function]
fn anything(value: dyn Fn()) {}

mod names {
    use image_runtime::app;

    #[app::function]
    fn str(text: &str) -> String {
        text.to_owned()
    }
}

fn main() {}
