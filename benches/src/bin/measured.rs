//! The program that is measured: what a user would write. Its command line builds. Its body makes one call, then a
//! hundred for each line of standard input, and prints how long one of them took, in nanoseconds; or ten thousand by one
//! map, and how long all of them took.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use image_runtime::{Image, app, image};

const BASE: Image = image!(debian_slim());

/// A step of each kind that needs nothing from the network.
const STEPS: Image = image!(
    BASE.run_commands("echo ready > /ready")
        .copy_local_dir("src", "/src")
        .env({ "READY": "/ready" })
        .workdir("/src")
);

const PYTHON: Image = image!(debian_slim(python_version = "3.11"));

/// A chain as people write them, made in every build.
const CHAIN: Image = image!(
    PYTHON
        .apt_install("git", "curl", force_build = true)
        .pip_install("numpy==2.2.6", "pandas==2.2.3")
        .env({ "PYTHONUNBUFFERED": "1" })
        .workdir("/app")
);

#[app::function(image = BASE)]
fn nothing() {}

#[app::function(image = CHAIN)]
fn in_chain() {}

#[app::function(image = BASE)]
fn same(number: u32) -> u32 {
    number
}

async fn map() -> Result<Duration> {
    let begin = Instant::now();
    let mut results = same::map(0..10_000);
    while let Some(result) = results.next().await {
        result?;
    }
    Ok(begin.elapsed())
}

#[app::function(image = STEPS)]
fn in_steps() {}

#[app::main]
async fn main() -> Result<()> {
    let begin = Instant::now();
    nothing::remote().await?;
    println!("{}", begin.elapsed().as_nanos());
    for line in std::io::stdin().lines() {
        let way = line?;
        if way == "map" {
            println!("{}", map().await?.as_nanos());
            continue;
        }
        let mut times = [Duration::ZERO; 100];
        for time in &mut times {
            let begin = Instant::now();
            match way.as_str() {
                "await" => nothing::remote().await?,
                "blocking" => nothing::remote().blocking()?,
                other => bail!("no way to call is `{other}`"),
            }
            *time = begin.elapsed();
        }
        times.sort();
        println!("{}", times[times.len() / 2].as_nanos());
    }
    Ok(())
}
