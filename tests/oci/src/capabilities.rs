//! Names of capabilities.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::config::Capabilities;

/// In the order of their numbers: `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The one set that a container has: what root may do, and what nothing in it can have more than.
///
/// # Errors
/// Sets that differ, where the sandbox has one.
pub(crate) fn set(asked: &Capabilities, told: &mut Vec<String>) -> Result<u64> {
    let [bounding, effective, permitted] =
        [&asked.bounding, &asked.effective, &asked.permitted].map(|names| bits(names));
    ensure!(
        effective & !bounding == 0 && permitted & !bounding == 0,
        "`process.capabilities`: more than `bounding` is asked for: operation not permitted"
    );
    ensure!(
        effective == permitted && permitted == bounding,
        "`process.capabilities`: `bounding`, `effective` and `permitted` must be one set"
    );
    if !asked.inheritable.is_empty() || !asked.ambient.is_empty() {
        told.push("`inheritable` and `ambient` capabilities are not given".to_owned());
    }
    Ok(bounding)
}

/// Names that Linux does not know. They are ignored, with a warning, as the specification asks for.
pub(crate) fn unknown(asked: &Capabilities) -> BTreeSet<&str> {
    let names = [&asked.bounding, &asked.effective, &asked.permitted]
        .into_iter()
        .flatten();
    names
        .filter(|name| bit(name).is_none())
        .map(String::as_str)
        .collect()
}

fn bits(names: &[String]) -> u64 {
    names
        .iter()
        .filter_map(|name| bit(name))
        .fold(0, |bits, bit| bits | 1 << bit)
}

fn bit(name: &str) -> Option<usize> {
    let name = name.strip_prefix("CAP_")?;
    NAMES.iter().position(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(bounding: &[&str], effective: &[&str]) -> Capabilities {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Capabilities {
            bounding: list(bounding),
            effective: list(effective),
            permitted: list(effective),
            ..Capabilities::default()
        }
    }

    #[test]
    fn a_container_has_one_set() {
        let mut told = Vec::new();
        let chown_and_bpf = ["CAP_CHOWN", "CAP_BPF"];
        assert_eq!(
            set(&asked(&chown_and_bpf, &chown_and_bpf), &mut told).unwrap(),
            1 | 1 << 39
        );
        assert!(told.is_empty());
        assert!(set(&asked(&[], &["CAP_CHOWN"]), &mut told).is_err());
        assert!(set(&asked(&["CAP_CHOWN"], &[]), &mut told).is_err());
        let odd = asked(&["CAP_ODD"], &[]);
        assert_eq!(set(&odd, &mut told).unwrap(), 0);
        assert_eq!(unknown(&odd).into_iter().collect::<Vec<_>>(), ["CAP_ODD"]);
    }
}
