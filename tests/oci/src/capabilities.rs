//! Names of capabilities.

use anyhow::{Result, ensure};

use crate::config::Capabilities;

/// In the order of their numbers: `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
];

/// The one set that a container has: what root may do, and what nothing in it can have more than.
///
/// # Errors
/// An unknown name, or sets that differ where the sandbox has one.
pub(crate) fn set(asked: &Capabilities, told: &mut Vec<String>) -> Result<u64> {
    let bounding = bits(&asked.bounding, told);
    let effective = bits(&asked.effective, told);
    let permitted = bits(&asked.permitted, told);
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

/// Names that the system does not know are ignored, as the specification asks for, and told.
fn bits(names: &[String], told: &mut Vec<String>) -> u64 {
    let mut bits = 0;
    for name in names {
        match NAMES.iter().position(|known| name.strip_prefix("CAP_") == Some(known)) {
            Some(bit) => bits |= 1 << bit,
            None => told.push(format!("`{name}` is no capability")),
        }
    }
    bits
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
        assert_eq!(set(&asked(&chown_and_bpf, &chown_and_bpf), &mut told).unwrap(), 1 | 1 << 39);
        assert!(told.is_empty());
        assert!(set(&asked(&[], &["CAP_CHOWN"]), &mut told).is_err());
        assert!(set(&asked(&["CAP_CHOWN"], &[]), &mut told).is_err());
        assert_eq!(set(&asked(&["CAP_ODD"], &[]), &mut told).unwrap(), 0);
        assert_eq!(told, ["`CAP_ODD` is no capability"]);
    }
}
