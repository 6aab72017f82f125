//! Limits: what control groups keep, and what a process inherits from the one that starts it.

use anyhow::{Context as _, Result, anyhow, ensure};
use image_runtime::engine::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Process, Resources};

/// The limits that the engine keeps.
pub(crate) fn of_groups(asked: &Resources) -> Result<Limits> {
    let positive = |limit: i64| u64::try_from(limit).ok().filter(|&limit| limit > 0);
    let memory = asked.memory.as_ref().and_then(|memory| memory.limit);
    let cpu = asked.cpu.as_ref();
    let quota = cpu.and_then(|cpu| cpu.quota).and_then(positive);
    let period = cpu.and_then(|cpu| cpu.period).unwrap_or(100_000);
    ensure!(period > 0, "`linux.resources.cpu.period` must be above 0");
    Ok(Limits {
        memory: memory.and_then(positive),
        pids: asked.pids.as_ref().and_then(|pids| positive(pids.limit)),
        cpus: quota.map(|quota| quota as f64 / period as f64),
    })
}

/// Limits this process: the container's is its child. So has a program that runs functions what its shell gave it, and they have too.
pub(crate) fn inherit(asked: &Process) -> Result<()> {
    for limit in &asked.rlimits {
        let doing = || format!("limiting `{}`", limit.kind);
        let resource = resource(&limit.kind)
            .ok_or_else(|| anyhow!("no such limit"))
            .with_context(doing)?;
        let number = |number| (number != u64::MAX).then_some(number);
        let (current, maximum) = (number(limit.soft), number(limit.hard));
        setrlimit(resource, Rlimit { current, maximum }).with_context(doing)?;
        // The kernel's answer counts.
        let is = getrlimit(resource);
        ensure!((is.current, is.maximum) == (current, maximum), doing());
    }
    if let Some(score) = asked.oom_score_adj {
        std::fs::write("/proc/self/oom_score_adj", score.to_string())
            .context("`process.oomScoreAdj`")?;
    }
    Ok(())
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name.strip_prefix("RLIMIT_")? {
        "AS" => Resource::As,
        "CORE" => Resource::Core,
        "CPU" => Resource::Cpu,
        "DATA" => Resource::Data,
        "FSIZE" => Resource::Fsize,
        "LOCKS" => Resource::Locks,
        "MEMLOCK" => Resource::Memlock,
        "MSGQUEUE" => Resource::Msgqueue,
        "NICE" => Resource::Nice,
        "NOFILE" => Resource::Nofile,
        "NPROC" => Resource::Nproc,
        "RSS" => Resource::Rss,
        "RTPRIO" => Resource::Rtprio,
        "RTTIME" => Resource::Rttime,
        "SIGPENDING" => Resource::Sigpending,
        "STACK" => Resource::Stack,
        _ => return None,
    })
}
