//! What a container sees of the machine, and small files of its own.

use std::io;

use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT};

use super::super::{Act, Bind, PLACING, SHOWING, SandboxError, Text};
use super::{Step, Steps, ancestors, text};
use crate::engine::embedded::cgroup::{Entrance, SHOWN};

/// Devices of the machine that every container has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Where a container's own small files are made.
const TEXTS: &str = "/dev/.files";

impl Steps {
    /// Shows cgroups where programs look for the limits that they have: how many threads to start, how large a heap to take.
    /// Comes after `/sys` was mounted.
    ///
    /// # Errors
    /// See [`Self::bind`].
    pub fn show_cgroups(&mut self, cgroups: &[Entrance]) -> Result<(), SandboxError> {
        let shown: Vec<_> = cgroups.iter().flat_map(Entrance::shown).collect();
        let why = "showing its cgroups";
        let strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        // `/sys` has a place for one hierarchy.
        let are_below = shown.iter().any(|(_, target)| target != SHOWN);
        if are_below {
            let words = ["tmpfs", "tmpfs", SHOWN];
            self.mount(why, words, strict, "mode=755,size=64k", false)?;
        }
        for (path, target) in shown {
            if are_below {
                self.add(why, Act::Directory(text(&target)?));
            }
            self.bind(&Bind {
                source: path.to_owned(),
                target,
                read_only: true,
            })?;
        }
        if are_below {
            let flags = strict | MS_BIND | MS_REMOUNT | MS_RDONLY;
            self.mount(why, ["", "none", SHOWN], flags, "", false)?;
        }
        Ok(())
    }

    /// Shows the devices that every container has, and makes the links beside them. Comes after `/dev` was mounted.
    ///
    /// # Errors
    /// See [`Self::bind`].
    pub fn show_devices(&mut self) -> Result<(), SandboxError> {
        for device in DEVICES {
            self.bind(&Bind {
                source: format!("/dev/{device}").into(),
                target: format!("/dev/{device}"),
                read_only: false,
            })?;
        }
        for (target, path) in LINKS {
            let (target, path) = (text(target)?, text(path)?);
            self.add("making /dev", Act::Link { target, path });
        }
        Ok(())
    }

    /// Makes small files in memory and shows them in their places. Comes after `/dev` was mounted.
    pub(in super::super) fn show_texts(&mut self, texts: &[Text]) -> Result<(), SandboxError> {
        let why = "making the container's own files";
        for path in ancestors(TEXTS) {
            self.add(why, Act::Directory(text(path)?));
        }
        for shown in texts {
            let path = text(&format!("{TEXTS}/{}", shown.name))?;
            self.add(why, Act::File(path.clone()));
            let write = Act::Write {
                path: path.clone(),
                text: text(&shown.text)?,
            };
            self.add(why, write);
            let slot = self.slots;
            self.slots += 1;
            self.add(why, Act::Copy { source: path, slot });
            let attach = Act::Attach {
                slot,
                target: text(&shown.target)?,
                flags: MS_NOSUID | MS_NODEV,
                optional: true,
            };
            self.add(why, attach);
        }
        Ok(())
    }

    /// Shows something of the machine, in a place that is made if need be.
    ///
    /// # Errors
    /// It is not there; see also [`Self::mount`].
    pub fn bind(&mut self, bind: &Bind) -> Result<(), SandboxError> {
        let resolving = |error| SandboxError::Step {
            doing: "finding what a container is to see",
            error,
        };
        // Links in the path would be followed inside the container.
        let source = bind.source.canonicalize().map_err(|error| {
            let text = format!("`{}`: {error}", bind.source.display());
            resolving(io::Error::new(error.kind(), text))
        })?;
        let is_device = bind.target.starts_with("/dev/") && !source.is_file() && !source.is_dir();
        for path in ancestors(parent(&bind.target)) {
            self.add(PLACING, Act::Directory(text(path)?));
        }
        let target = text(&bind.target)?;
        let place = if source.is_dir() {
            Act::Directory(target)
        } else {
            Act::File(target)
        };
        self.add(PLACING, place);
        let relative = source.strip_prefix("/").unwrap_or(&source);
        let slot = self.slots;
        self.slots += 1;
        let source = match relative.to_string_lossy() {
            path if path.is_empty() => text(".")?,
            path => text(&path)?,
        };
        self.taking.push(Step {
            why: "copying a mount of the machine",
            act: Act::Copy { source, slot },
        });
        let mut flags = MS_NOSUID;
        if !is_device {
            flags |= MS_NODEV;
        }
        if bind.read_only {
            flags |= MS_RDONLY;
        }
        let target = text(&bind.target)?;
        self.add(
            SHOWING,
            Act::Attach {
                slot,
                target,
                flags,
                optional: false,
            },
        );
        Ok(())
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
