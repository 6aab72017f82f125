//! The control groups of one container: how they are entered, what they tell, how they end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::find::{Place, Version};
use super::processes::PAUSES;
#[cfg(test)]
use super::processes::kill;
use super::tree::{PARENT, give, make_and_lock, make_room, not_given, remove, write};
use super::{Controller, Directories};

/// The control groups of a container, one a hierarchy. Without limits there are none. They are removed when this is dropped.
#[derive(Debug, Default)]
pub struct Cgroup {
    pub(super) groups: Vec<Group>,
}

/// The way into a group, and what of it the container is to see.
#[derive(Debug)]
pub struct Entrance {
    /// The file to which the container's first process writes `0` before it runs the program. Closed on exec.
    pub procs: OwnedFd,
    /// The group's own folder.
    path: PathBuf,
    version: Version,
    controllers: Vec<Controller>,
}

impl Entrance {
    /// Where a program looks for the limits that it has: the folder on this machine, and its path in a container. One hierarchy of the
    /// second version is alone at the top; those of the first lie below it.
    pub(in crate::engine::embedded) fn shown(&self) -> impl Iterator<Item = (&Path, String)> {
        let names = match self.version {
            Version::V1 => self.controllers.as_slice(),
            Version::V2 => &[],
        };
        let below = names.iter().map(|name| format!("{SHOWN}/{}", name.name()));
        let alone = names.is_empty().then(|| SHOWN.to_owned());
        alone
            .into_iter()
            .chain(below)
            .map(|target| (self.path.as_path(), target))
    }
}

/// Where containers see their groups.
pub(in crate::engine::embedded) const SHOWN: &str = "/sys/fs/cgroup";

impl Cgroup {
    /// The ways into the groups.
    ///
    /// # Errors
    /// A group is gone.
    pub fn entrances(&self) -> io::Result<Vec<Entrance>> {
        let entrance = |group: &Group| {
            let file = OpenOptions::new().write(true).open(group.procs())?;
            Ok(Entrance {
                procs: file.into(),
                path: group.path.clone(),
                version: group.version,
                controllers: group.controllers.clone(),
            })
        };
        self.groups.iter().map(entrance).collect()
    }

    /// Whether the kernel killed a process for want of memory. Known until the groups are removed.
    pub(in crate::engine::embedded) fn oom_killed(&self) -> bool {
        self.memory().is_some_and(|group| {
            let text = group.read(match group.version {
                Version::V1 => "memory.oom_control",
                Version::V2 => "memory.events",
            });
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            count.is_some_and(|count| count.trim() != "0")
        })
    }

    /// The most memory that was used at a time, in bytes, where the kernel counts it (in v2 since 5.19) and a limit was asked for.
    pub(in crate::engine::embedded) fn memory_peak(&self) -> Option<u64> {
        let group = self.memory()?;
        let names: &[&str] = match group.version {
            Version::V1 => &[
                "memory.memsw.max_usage_in_bytes",
                "memory.max_usage_in_bytes",
            ],
            Version::V2 => &["memory.peak"],
        };
        names
            .iter()
            .find_map(|name| group.read(name).trim().parse().ok())
    }

    fn memory(&self) -> Option<&Group> {
        let limited = |group: &&Group| group.controllers.contains(&Controller::Memory);
        self.groups.iter().find(limited)
    }

    /// Ends all processes of the container.
    #[cfg(test)]
    pub(in crate::engine::embedded) fn kill(&self) {
        self.groups.iter().for_each(|group| kill(&group.path));
    }

    /// Removes the groups; waits a little for processes that are about to leave. Doing it twice is no error.
    ///
    /// # Errors
    /// A process is still in one.
    pub(in crate::engine::embedded) fn remove(&self) -> io::Result<()> {
        let removed: Vec<_> = self
            .groups
            .iter()
            .map(|group| group.remove(PAUSES))
            .collect();
        removed.into_iter().collect()
    }
}

/// A group in one hierarchy.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    version: Version,
    controllers: Vec<Controller>,
    directories: Directories,
    _lock: File,
}

impl Group {
    /// Makes the group of that name with those controllers.
    pub(super) fn make(
        place: &Place,
        version: Version,
        controllers: &[Controller],
        name: &str,
        directories: Directories,
    ) -> io::Result<Self> {
        let parent = place.path.join(PARENT);
        let path = parent.join(name);
        let lock = make_and_lock(&path, directories)?;
        let group = Self {
            path,
            version,
            controllers: controllers.to_owned(),
            directories,
            _lock: lock,
        };
        // The parent cannot go any more, and takes its controllers to the group that is in it.
        if version == Version::V2 {
            let missing = not_given(&place.path, controllers);
            if !missing.is_empty() && place.crowded {
                make_room(&place.path, directories)?;
            }
            give(&place.path, &missing)?;
            give(&parent, &not_given(&parent, controllers))?;
        }
        Ok(group)
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.path.join(file).exists()
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Writes to one of its files.
    pub(super) fn write(&self, file: &str, value: &str) -> io::Result<()> {
        write(&self.path.join(file), value)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).unwrap_or_default()
    }

    fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    fn remove(&self, patience: usize) -> io::Result<()> {
        remove(&self.path, patience, self.directories)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A few milliseconds, as processes may run on that nobody ended. What stays is swept later.
        let _ = self.remove(5);
    }
}
