//! What is written for each limit, in either version.

use std::fs;

use super::find::Version;
use super::group::Group;
use super::{Cgroups, Controller, OTHER_ENGINE};
use crate::engine::{EngineError, Limits};

/// The slice of time in which CPU time is counted, in microseconds: what the kernel takes where nothing is said.
const PERIOD: u64 = 100_000;

impl Cgroups {
    /// Writes one limit to its group.
    pub(super) fn limit(
        &self,
        group: &Group,
        controller: Controller,
        limits: &Limits,
    ) -> Result<(), EngineError> {
        let write = |file: &str, value: String| {
            group.write(file, &value).map_err(|error| {
                let reason = format!("the kernel does not take `{value}` for `{file}`: {error}");
                controller.cannot(
                    reason,
                    format!("ask for less or for no limit, {OTHER_ENGINE}"),
                )
            })
        };
        let bytes = limits.memory.unwrap_or(u64::MAX).min(i64::MAX as u64);
        let pids = limits.pids.unwrap_or_default();
        let quota = (limits.cpus.unwrap_or_default() * PERIOD as f64).round() as u64;
        match (controller, group.version()) {
            (Controller::Memory, Version::V1) => {
                write("memory.limit_in_bytes", bytes.to_string())?;
                if group.has("memory.memsw.limit_in_bytes") {
                    write("memory.memsw.limit_in_bytes", bytes.to_string())
                } else {
                    // Swap is not counted, so nothing goes there to make room below the limit.
                    write("memory.swappiness", "0".to_owned())
                }
            }
            (Controller::Memory, Version::V2) => {
                write("memory.max", bytes.to_string())?;
                if group.has("memory.swap.max") {
                    return write("memory.swap.max", "0".to_owned());
                }
                if self.swaps() {
                    let reason = "this machine has swap, and the kernel does not count it";
                    let help = format!("start the machine with `swapaccount=1`, {OTHER_ENGINE}");
                    return Err(controller.cannot(reason.to_owned(), help));
                }
                Ok(())
            }
            (Controller::Pids, _) => write("pids.max", pids.to_string()),
            (Controller::Cpu, Version::V1) => {
                write("cpu.cfs_period_us", PERIOD.to_string())?;
                write("cpu.cfs_quota_us", quota.to_string())
            }
            (Controller::Cpu, Version::V2) => write("cpu.max", format!("{quota} {PERIOD}")),
        }
    }

    /// Whether the machine has swap: there is a line below the head of the table.
    fn swaps(&self) -> bool {
        fs::read_to_string(self.proc.join("swaps")).is_ok_and(|table| table.lines().count() > 1)
    }
}
