use image_runtime::app;

#[app::function(cpu = "2", memory = 512, network = "off")]
fn types() {}

#[app::function(cpu = 0, memory = "4g", network = 1)]
fn values() {}

#[app::function(cpu = -1.0, memory = "lots")]
fn more_values() {}

#[app::function(retries = -1, concurrency = -2)]
fn negative() {}

#[app::function(retries = retries(max = -1))]
fn negative_inside() {}

#[app::function(cpus = 2.0, memory = "512 K")]
fn names() {}

app::config! { cpu = 10_000, memory = "" }

fn main() {}
