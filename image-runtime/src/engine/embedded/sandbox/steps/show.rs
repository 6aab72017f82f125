//! What a container sees of the machine, and small files of its own.

use std::ffi::CString;
use std::fs::FileType;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

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
        for (device, found) in DEVICES.iter().zip(devices()?) {
            self.show(found, &format!("/dev/{device}"), false)?;
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
            let slot = self.slot();
            let copy = Act::Copy {
                source: path,
                slot,
                read_only: false,
            };
            self.add(why, copy);
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
        let found = Found::at(&bind.source)?;
        for path in ancestors(parent(&bind.target)) {
            self.add(PLACING, Act::Directory(text(path)?));
        }
        self.show(&found, &bind.target, bind.read_only)
    }

    /// The same in a directory that is there.
    fn show(&mut self, found: &Found, target: &str, read_only: bool) -> Result<(), SandboxError> {
        let place = text(target)?;
        self.add(
            PLACING,
            match found.kind.is_dir() {
                true => Act::Directory(place),
                false => Act::File(place),
            },
        );
        let slot = self.slot();
        let source = found.path.clone();
        self.taking.push(Step {
            why: "copying a mount of the machine",
            act: Act::Copy {
                source,
                slot,
                read_only,
            },
        });
        let mut flags = MS_NOSUID;
        let is_device = !found.kind.is_file() && !found.kind.is_dir();
        if !(target.starts_with("/dev/") && is_device) {
            flags |= MS_NODEV;
        }
        if read_only {
            flags |= MS_RDONLY;
        }
        let target = text(target)?;
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

/// Something of the machine.
#[derive(Debug)]
struct Found {
    /// From the root. No part of it is a link, which would be followed inside the container.
    path: CString,
    kind: FileType,
}

impl Found {
    fn at(path: &Path) -> Result<Self, SandboxError> {
        let find = || {
            let path = path.canonicalize()?;
            let kind = path.symlink_metadata()?.file_type();
            Ok((path, kind))
        };
        let (found, kind) = find().map_err(|error: io::Error| {
            let text = format!("`{}`: {error}", path.display());
            SandboxError::Step {
                doing: "finding what a container is to see",
                error: io::Error::new(error.kind(), text),
            }
        })?;
        let relative = found.strip_prefix("/").unwrap_or(&found);
        let path = match relative.to_string_lossy() {
            path if path.is_empty() => text(".")?,
            path => text(&path)?,
        };
        Ok(Self { path, kind })
    }
}

/// Those of [`DEVICES`], looked up once.
fn devices() -> Result<&'static [Found], SandboxError> {
    static FOUND: OnceLock<Vec<Found>> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = DEVICES.map(|device| Found::at(&Path::new("/dev").join(device)));
    let found = found.into_iter().collect::<Result<_, _>>()?;
    Ok(FOUND.get_or_init(|| found))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
