//! Timing, medians, and rows of the table.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The table's head.
pub(crate) const HEAD: &str = "| what | against | engine | debug build | release build | goal |\n| --- | --- | --- | --- | --- | --- |";

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    /// Empty where it does not matter.
    pub(crate) engine: &'static str,
    pub(crate) peer: &'static str,
    /// How long the peer takes.
    pub(crate) against: Duration,
    /// How long it takes with our debug build.
    pub(crate) debug: Duration,
    /// How long it takes with our release build, where there is such a thing.
    pub(crate) release: Option<Duration>,
    /// At most this ratio is the goal.
    pub(crate) goal: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            engine,
            peer,
            goal,
            ..
        } = self;
        let ours = |time: Duration| {
            let ratio = time.as_secs_f64() / self.against.as_secs_f64();
            format!("**{}** ({})", number(ratio), text(time))
        };
        write!(
            f,
            "| {what} | {peer}: {} | {engine} | {} | {} | ≤ {} |",
            text(self.against),
            ours(self.debug),
            self.release.map(ours).unwrap_or_default(),
            number(*goal)
        )
    }
}

/// With two digits that count.
fn number(ratio: f64) -> String {
    let digits = (1.0 - ratio.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{ratio:.digits$}")
}

fn text(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        10.0.. => format!("{seconds:.0} s"),
        1.0.. => format!("{seconds:.1} s"),
        0.1.. => format!("{:.0} ms", seconds * 1e3),
        0.001.. => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

/// Something to measure: does it once and says how long it took.
pub(crate) type Contender<'a> = &'a mut dyn FnMut() -> Result<Duration>;

/// The medians of several things measured in turn, so that a machine that changes its speed changes all of them.
pub(crate) fn in_turn<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> Result<[Duration; N]> {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            times.push(contender()?);
        }
    }
    Ok(times.map(median))
}

/// The middle one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// How long something takes.
pub(crate) fn time(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

/// How long a command takes, from its start to its exit.
pub(crate) fn time_of(command: &mut Command) -> Result<Duration> {
    time(|| run(command).map(drop))
}

/// Runs a command that must succeed; what it prints is shown only if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What Docker calls an image that a peer builds; removed when dropped, however the measurement ends.
pub(crate) struct Tagged(pub(crate) &'static str);

impl Drop for Tagged {
    fn drop(&mut self) {
        // Nothing else can be done about an image that stays.
        let _ = run(&mut docker(&["rmi", self.0]));
    }
}

/// The cargo that runs this, or the one that is found where nobody else does.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `docker` with arguments.
pub(crate) fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

/// Cores and memory.
pub(crate) fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("no MemTotal in /proc/meminfo")?
        .parse()?;
    Ok(format!(
        "{cores} cores, {:.0} GiB of memory",
        kib / 1024.0 / 1024.0
    ))
}
