use image_runtime::app;

#[app::function(gpu = "a100")]
fn near() {}

#[app::function(gpu = "Voodoo2")]
fn far() {}

#[app::function(gpu = ["H100:0", "A100-80", 3, "any"])]
fn parts() {}

#[app::function(gpu = ["T4", "l4", "A100-20GB"])]
fn all_parts() {}

#[app::function(gpu = [])]
fn nothing() {}

#[app::function(gpu = 1)]
fn types() {}

#[app::function(gpu = [=])]
fn unreadable() {}

fn main() {}
