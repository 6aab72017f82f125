//! Who made a container: a process, told apart from later ones with the same number.

use std::fs;
use std::path::Path;

/// A process of some machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pid: u32,
    /// When it started, in clock ticks since the machine did.
    started: u64,
    /// Which start of which machine.
    boot: String,
    /// In which namespace the number counts: a container on the same machine has numbers of its own.
    namespace: String,
}

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs.
    Lives,
    /// It has ended.
    Ended,
    /// It is, or was, of another machine, another start of this one or another namespace.
    Unknown,
}

impl Owner {
    /// This process.
    pub(crate) fn this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: started(pid).unwrap_or_default(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|text| text.trim().to_owned())
                .unwrap_or_default(),
            namespace: fs::read_link("/proc/self/ns/pid")
                .map(|link| {
                    link.to_string_lossy()
                        .replace(|c: char| !c.is_ascii_digit(), "")
                })
                .unwrap_or_default(),
        }
    }

    /// Which start of which machine it belongs to.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// As it stands in a label.
    pub(crate) fn to_label(&self) -> String {
        format!(
            "{}:{}:{}:{}",
            self.pid, self.started, self.boot, self.namespace
        )
    }

    /// Reads a label.
    pub(crate) fn from_label(label: &str) -> Option<Self> {
        let mut parts = label.split(':');
        let owner = Self {
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
            namespace: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(owner)
    }

    /// Whether it still runs, as `here`, this process, sees it.
    pub(crate) fn life(&self, here: &Self) -> Life {
        if self.boot != here.boot || self.namespace != here.namespace || here.boot.is_empty() {
            Life::Unknown
        } else if started(self.pid) == Some(self.started) {
            Life::Lives
        } else {
            Life::Ended
        }
    }
}

/// Whether a process of this machine runs.
pub(crate) fn is_running(pid: u32) -> bool {
    started(pid).is_some()
}

/// When a process of this machine started; nothing where it does not run (a zombie has ended).
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The second field is the program's name in brackets, and may hold any character.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X"))
        .then(|| fields.nth(18)?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_label_reads_back() {
        let here = Owner::this_process();
        let read = Owner::from_label(&here.to_label()).unwrap();
        assert_eq!(read, here);
        assert_eq!(read.life(&here), Life::Lives);
    }

    #[test]
    fn a_process_that_ended_is_known_to_have_ended() {
        let here = Owner::this_process();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Owner {
            pid: child.id(),
            started: started(child.id()).unwrap_or(1),
            ..here.clone()
        };
        child.wait().unwrap();
        assert_eq!(ended.life(&here), Life::Ended);
    }

    #[test]
    fn a_later_process_with_the_same_number_is_another_one() {
        let here = Owner::this_process();
        let earlier = Owner {
            started: here.started - 1,
            ..here.clone()
        };
        assert_eq!(earlier.life(&here), Life::Ended);
    }

    #[test]
    fn nothing_is_known_of_owners_elsewhere() {
        let here = Owner::this_process();
        let rebooted = Owner {
            boot: "other".to_owned(),
            ..here.clone()
        };
        let contained = Owner {
            namespace: "1".to_owned(),
            ..here.clone()
        };
        assert_eq!(rebooted.life(&here), Life::Unknown);
        assert_eq!(contained.life(&here), Life::Unknown);
    }

    #[test]
    fn a_label_of_another_form_has_no_owner() {
        for label in ["", "12", "12:x:y:z", "1:2:3:4:5"] {
            assert_eq!(Owner::from_label(label), None, "{label}");
        }
    }
}
