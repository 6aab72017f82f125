//! A program whose functions compute on GPUs. Those that want a whole one have containers of their own, and find out whether it is theirs alone.

use std::fs;
use std::io;
use std::time::Duration;

use image_runtime::{Image, Volume, app, image};

const NOTHING: Image = image!(scratch());
const BUSY: Volume = Volume::from_name("image-runtime-tests-gpus");

/// What a container sees of a GPU.
#[app::function(image = NOTHING, gpu = ["B200:64", "T4-16GB:1"])]
fn look() -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries
            .map(|entry| entry.path().display().to_string())
            .filter(|path| path.contains("nvidia"))
            .collect();
        paths.sort();
        paths
    };
    let variables = std::env::vars()
        .filter(|(name, _)| name.starts_with("NVIDIA") || name == "LD_LIBRARY_PATH")
        .map(|(name, value)| format!("{name}={value}"));
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    let own = fs::read_to_string("/proc/self/cmdline").unwrap_or_default();
    let own = own.contains("lib:/dev/image-runtime/nvidia");
    let mut seen = names("/dev");
    seen.extend(names("/dev/image-runtime/nvidia"));
    seen.extend(variables);
    seen.push(format!("the worker itself: {own}"));
    seen
}

/// Fails where another container has the GPU at the same time.
fn alone() -> io::Result<()> {
    let busy = fs::File::options()
        .create(true)
        .append(true)
        .open("/busy/lock")?;
    busy.try_lock()?;
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

#[app::function(image = NOTHING, gpu = "T4:1", volumes = { "/busy": BUSY }, max_containers = 4)]
fn train() -> io::Result<()> {
    alone()
}

#[app::function(image = NOTHING, gpu = "any:1", volumes = { "/busy": BUSY }, max_containers = 4)]
fn infer() -> io::Result<()> {
    alone()
}

/// Has the machine's GPU while it calls another that needs it.
#[app::function(image = NOTHING, gpu = "T4:1")]
async fn ask() -> anyhow::Result<()> {
    Ok(infer::remote().await?)
}

/// The same in a part of it.
#[app::function(image = NOTHING, gpu = "T4")]
async fn ask_beside(whole: bool) -> anyhow::Result<()> {
    match whole {
        true => Ok(infer::remote().await?),
        false => Ok(beside::remote().await?),
    }
}

#[app::function(image = NOTHING, gpu = "any", idle_timeout = "1m")]
fn beside() {}

#[app::function(image = NOTHING, gpu = ["B200", "H100:8"])]
fn never() {}

#[app::main]
async fn main() -> anyhow::Result<()> {
    let calls: Vec<_> = (0..3)
        .flat_map(|_| [train::spawn(), infer::spawn()])
        .collect();
    for call in calls {
        call.get().await?;
    }
    println!("six calls, one after the other");
    Ok(())
}
