use image_runtime::app;

#[app::function(retries = "3", concurrency = 0, min_containers = -1, max_containers = 2.0)]
fn types() {}

#[app::function(retries = 99999999999, idle_timeout = 60)]
fn too_much() {}

#[app::function(retries(3))]
fn without_name() {}

#[app::function(retries())]
fn without_max() {}

#[app::function(retries(max = 3, initial_dela = "1s", backoff = 0.5))]
fn wrong_inside() {}

#[app::function(retries(max = 3, initial_delay = "2m", backoff = "2"))]
fn too_long() {}

#[app::function(retries = 3, retries(max = 3))]
fn twice() {}

#[app::function(retry(max = 3))]
fn near() {}

#[app::function(min_containers = 3, max_containers = 2)]
fn contradictory() {}

#[app::function(retries(max =))]
fn half_written() {}

fn main() {}
