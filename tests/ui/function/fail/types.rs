use image_runtime::app;

struct Plain;

#[derive(serde::Serialize)]
struct Sent;

#[app::function]
fn argument(_first: u8, _second: Plain, _third: &Plain) {}

#[app::function]
fn argument_inside(_values: Vec<Plain>) {}

#[app::function]
async fn result() -> Plain {
    Plain
}

#[app::function]
fn result_inside() -> anyhow::Result<Option<Plain>> {
    Ok(None)
}

#[app::function]
fn only_sent(_value: Sent) {}

#[app::function]
fn error() -> Result<u8, Plain> {
    Err(Plain)
}

#[app::function]
async fn error_of_an_async_function() -> Result<(), Plain> {
    Err(Plain)
}

fn main() {}
