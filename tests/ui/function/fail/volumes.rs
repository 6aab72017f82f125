use image_runtime::{Image, Volume, app, image};

const ML: Image = image!(scratch());
const DATA: Volume = Volume::from_name("data");

#[app::function(image = ML, volumes = ["/data"])]
fn list() {}

#[app::function(image = ML, volumes = { "/data": "data", "cache": DATA, "/proc/x": DATA, "/etc/": DATA })]
fn values() {}

#[app::function(image = ML, volumes = { "/a": Volume::from_nam("x"), "/b": Volume::from_name("./x"), "/c": Volume::from_host() })]
fn constructors() {}

#[app::function(image = ML, volumes = { "/a": Secret::from_env("X"), "/b/": DATA, "/b": DATA, "/c/../d": DATA })]
fn more_values() {}

#[app::function(image = ML, volumes = { "/a": ML })]
fn types() {}

fn main() {}
