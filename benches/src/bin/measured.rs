//! The program that is measured: what a user would write. Its command line builds. Its body makes one call, then what each
//! line of standard input asks for, and prints how long that took, in nanoseconds.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use image_runtime::engine::embedded::EmbeddedEngine;
use image_runtime::engine::{ContainerSpec, Engine, Limits};
use image_runtime::store::Store;
use image_runtime::{Image, app, image};
use serde_bytes::ByteBuf;

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

/// A directory of many files: the benchmark fills it.
const COPIED: Image = image!(BASE.copy_local_dir("copied", "/copied"));

/// Images beside those above, so that there are ten.
macro_rules! more {
    ($($image:ident $function:ident $text:tt;)*) => { $(
        const $image: Image = image!(STEPS.run_commands($text));

        #[app::function(image = $image)]
        fn $function() {}
    )* };
}

more! {
    A a "echo a > /a";
    B b "echo b > /b";
    C c "echo c > /c";
    D d "echo d > /d";
    E e "echo e > /e";
    F f "echo f > /f";
    G g "echo g > /g";
}

#[app::function(image = BASE)]
fn nothing() {}

#[app::function(image = CHAIN)]
fn in_chain() {}

#[app::function(image = COPIED)]
fn in_copied() {}

#[app::function(image = BASE)]
fn same(number: u32) -> u32 {
    number
}

#[app::function(image = BASE)]
fn same_bytes(bytes: ByteBuf) -> ByteBuf {
    bytes
}

/// Each call in a container of its own.
#[app::function(image = BASE, idle_timeout = "0s")]
fn fresh(number: u32) -> u32 {
    number
}

/// When it began. So many of them run at once as there are containers.
#[app::function(image = BASE, idle_timeout = "0s", max_containers = 100)]
fn begun() -> SystemTime {
    let now = SystemTime::now();
    std::thread::sleep(Duration::from_secs(3));
    now
}

/// A call that a process works on: which process, when the call began, and when it ended.
type Seen = (SystemTime, Duration, Duration);

#[app::function(image = BASE, max_containers = 8)]
fn seen(_number: u32) -> Seen {
    static PROCESS: LazyLock<(SystemTime, Instant)> =
        LazyLock::new(|| (SystemTime::now(), Instant::now()));
    let (process, since) = *PROCESS;
    let begun = since.elapsed();
    std::thread::sleep(Duration::from_millis(1));
    (process, begun, since.elapsed())
}

/// The middle one.
fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How long one of a thousand warm calls takes.
async fn warm(way: &str) -> Result<Duration> {
    let mut times = vec![Duration::ZERO; 1000];
    for time in &mut times {
        let begin = Instant::now();
        match way {
            "await" => nothing::remote().await?,
            _ => nothing::remote().blocking()?,
        }
        *time = begin.elapsed();
    }
    Ok(median(&mut times))
}

/// How long one of ten containers takes in which nothing runs but `true`, from its start to its end.
async fn bare(layer: &str) -> Result<Duration> {
    let engine = EmbeddedEngine::open(&Store::open()?).await?;
    let spec = ContainerSpec {
        layer: layer.parse()?,
        argv: vec!["/bin/true".to_owned()],
        env: Vec::new(),
        workdir: "/".to_owned(),
        user: String::new(),
        mounts: Vec::new(),
        network: true,
        limits: Limits::default(),
        gpus: Vec::new(),
        purpose: "bare".to_owned(),
    };
    let mut times = [Duration::ZERO; 10];
    for time in &mut times {
        let begin = Instant::now();
        engine.start(&spec).await?.wait().await?;
        *time = begin.elapsed();
    }
    Ok(median(&mut times))
}

/// How long one of ten calls takes that find no container.
async fn cold() -> Result<Duration> {
    let mut times = [Duration::ZERO; 10];
    for time in &mut times {
        let begin = Instant::now();
        fresh::remote(0).await?;
        *time = begin.elapsed();
    }
    Ok(median(&mut times))
}

/// How long a process waits between two calls where a thousand wait for eight processes.
async fn idle() -> Result<Duration> {
    // The first time, they start.
    seen::map(0..1_000).try_collect().await?;
    let mut all = seen::map(0..1_000).try_collect().await?;
    all.sort();
    let following = all.windows(2).filter(|calls| calls[0].0 == calls[1].0);
    let mut between: Vec<_> = following
        .map(|calls| calls[1].1.saturating_sub(calls[0].2))
        .collect();
    Ok(median(&mut between))
}

/// How long a call takes where five hundred wait that need a container each.
async fn many() -> Result<Duration> {
    const CALLS: u32 = 500;
    let begin = Instant::now();
    fresh::map(0..CALLS).try_collect().await?;
    Ok(begin.elapsed() / CALLS)
}

/// How long it takes until a hundred containers run.
async fn hundred() -> Result<Duration> {
    let begin = SystemTime::now();
    let all = begun::map((0..100).map(|_| ())).try_collect().await?;
    let last = all.into_iter().max().unwrap_or(begin);
    Ok(last.duration_since(begin)?)
}

async fn map() -> Result<Duration> {
    let begin = Instant::now();
    let mut results = same::map(0..10_000);
    while let Some(result) = results.next().await {
        result?;
    }
    Ok(begin.elapsed())
}

/// How long one of five calls takes that give and take 64 MiB.
async fn large() -> Result<Duration> {
    let mut times = [Duration::ZERO; 5];
    let mut bytes = ByteBuf::from(vec![7; 64 << 20]);
    for time in &mut times {
        let begin = Instant::now();
        bytes = same_bytes::remote(bytes).await?;
        *time = begin.elapsed();
    }
    Ok(median(&mut times))
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
        let took = match way.as_str() {
            "map" => map().await?,
            "large" => large().await?,
            "cold" => cold().await?,
            "idle" => idle().await?,
            "many" => many().await?,
            "hundred" => hundred().await?,
            "await" | "blocking" => warm(&way).await?,
            other => match other.strip_prefix("bare ") {
                Some(layer) => bare(layer).await?,
                None => bail!("nothing to measure is called `{other}`"),
            },
        };
        println!("{}", took.as_nanos());
    }
    Ok(())
}
