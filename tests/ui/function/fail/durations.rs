use image_runtime::app;

#[app::function(timeout = "")]
fn empty() {}

#[app::function(timeout = "5")]
fn no_unit() {}

#[app::function(timeout = "5min")]
fn no_such_unit() {}

#[app::function(timeout = "5 minuts")]
fn no_such_long_unit() {}

#[app::function(timeout = "1h 30m")]
fn space() {}

#[app::function(timeout = "1.5h")]
fn fraction() {}

#[app::function(timeout = "30m1h")]
fn order() {}

#[app::function(timeout = "0s")]
fn nothing() {}

#[app::function(timeout = "99999999999999999999h")]
fn too_long() {}

#[app::function(timeout = 5m, idle_timeout = 1h30m, memory = 4GiB)]
fn no_quotes() {}

#[app::function(timeout = 5, memory = 512)]
fn neither_quotes_nor_unit() {}

fn main() {}
