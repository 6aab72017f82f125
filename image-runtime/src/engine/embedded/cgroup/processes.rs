//! The processes in a group: which there are, and their end.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::tree::write;

/// How many pauses there are: together they last 1.6 s.
pub(super) const PAUSES: usize = 14;

/// How long is waited for dying processes to leave, twice as long each time.
pub(super) fn pauses() -> impl Iterator<Item = Duration> {
    (0..PAUSES).map(|doublings| Duration::from_micros(100 << doublings))
}

/// Kills every process of a group.
pub(super) fn kill(group: &Path) {
    // Since 5.14, in v2, the kernel does it.
    let all_at_once = group.join("cgroup.kill");
    if write(&all_at_once, "1").is_ok() {
        return;
    }
    if processes(group).is_empty() {
        return;
    }
    // So that none starts others faster than they are killed. Only where processes are counted.
    let _ = write(&group.join("pids.max"), "0");
    for pause in pauses() {
        let opened: Vec<_> = processes(group)
            .into_iter()
            .filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
            .collect();
        // What is still there under the same number was meant: no other process is killed that got the number meanwhile.
        let still = processes(group);
        for (_, process) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
        if still.is_empty() {
            return;
        }
        sleep(pause);
    }
}

/// The processes of a group, of those that this one can see.
pub(super) fn processes(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| Pid::from_raw(line.trim().parse().ok()?))
        .collect()
}
