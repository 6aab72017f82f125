//! Limits of containers, by control groups of either version, or both, or none.
//!
//! <https://docs.kernel.org/admin-guide/cgroup-v1/> and <https://docs.kernel.org/admin-guide/cgroup-v2.html>.
mod find;
mod group;
mod limit;
mod processes;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use self::find::{Hierarchy, Obstacle, Place, Version};
use self::group::Group;
pub(super) use self::group::SHOWN;
pub use self::group::{Cgroup, Entrance};
use crate::engine::{EngineError, Limits};

const OTHER_ENGINE: &str = "or use an engine with a daemon: `IMAGE_ENGINE=docker`";

/// What counts and limits one kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Pids,
    Cpu,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Memory, Self::Pids, Self::Cpu];

    /// As the kernel calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// The limit that needs it.
    fn limit(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
        }
    }

    fn is_asked_for(self, limits: &Limits) -> bool {
        match self {
            Self::Memory => limits.memory.is_some(),
            Self::Pids => limits.pids.is_some(),
            Self::Cpu => limits.cpus.is_some(),
        }
    }

    fn cannot(self, reason: String, help: String) -> EngineError {
        EngineError::Limit {
            limit: self.limit(),
            reason,
            help,
        }
    }
}

/// How groups are made and removed. In a test without control groups this is where the kernel is played.
#[derive(Clone, Copy, Debug)]
struct Directories {
    make: fn(&Path) -> io::Result<()>,
    remove: fn(&Path) -> io::Result<()>,
}

/// The control groups of this machine, as this process may use them. They are looked for when they are first asked for: most programs
/// limit nothing.
#[derive(Clone, Debug)]
pub struct Cgroups {
    hierarchies: OnceLock<Vec<Hierarchy>>,
    proc: PathBuf,
    directories: Directories,
}

impl Cgroups {
    /// Those that this process sees.
    pub fn of_machine() -> Self {
        let (make, remove) = (
            |path: &_| fs::create_dir(path),
            |path: &_| fs::remove_dir(path),
        );
        Self::by_proc(Path::new("/proc"), Directories { make, remove })
    }

    fn by_proc(proc: &Path, directories: Directories) -> Self {
        Self {
            hierarchies: OnceLock::new(),
            proc: proc.to_owned(),
            directories,
        }
    }

    fn hierarchies(&self) -> &[Hierarchy] {
        self.hierarchies
            .get_or_init(|| find::hierarchies(&self.proc))
    }

    /// Makes the groups of a container: none where nothing is limited. `name` is a file name that no other container has.
    ///
    /// # Errors
    /// [`EngineError::Limit`] for a limit that cannot be kept; then nothing was made.
    pub fn create(&self, name: &str, limits: &Limits) -> Result<Cgroup, EngineError> {
        limits.check()?;
        let asked = Controller::ALL
            .into_iter()
            .filter(|controller| controller.is_asked_for(limits));
        let mut plan: Vec<(&Place, Version, Vec<Controller>)> = Vec::new();
        for controller in asked {
            let (place, version) = self.place_of(controller)?;
            match plan.iter_mut().find(|(known, ..)| *known == place) {
                Some((.., controllers)) => controllers.push(controller),
                None => plan.push((place, version, vec![controller])),
            }
        }
        let mut made = Cgroup::default();
        for (place, version, controllers) in plan {
            let group = Group::make(place, version, &controllers, name, self.directories)
                .map_err(|error| not_made(controllers[0], place, &error))?;
            made.groups.push(group);
            let group = made.groups.last().expect("one was pushed");
            for controller in controllers {
                self.limit(group, controller, limits)?;
            }
        }
        Ok(made)
    }

    /// Removes the groups of containers whose owners have died, and what still runs in them; answers of how many containers.
    pub(super) fn sweep(&self) -> usize {
        let places = self
            .hierarchies()
            .iter()
            .filter_map(|hierarchy| hierarchy.place.as_ref().ok());
        let names: BTreeSet<_> = places
            .flat_map(|place| tree::sweep(&place.path, self.directories))
            .collect();
        names.len()
    }

    /// For `doctor`: the form of control groups, and of each limit whether it can be kept.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let has = |version| {
            self.hierarchies()
                .iter()
                .any(|found| found.version == version)
        };
        let form = match (has(Version::V1), has(Version::V2)) {
            (true, true) => "hybrid (v1 and v2)",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        };
        let limits = Controller::ALL.into_iter().map(|controller| {
            let value = match self.place_of(controller) {
                Ok((place, _)) => format!("can be kept, by groups in {}", place.path.display()),
                Err(error) => error.to_string(),
            };
            (format!("{} limit", controller.limit()), value)
        });
        let form = ("control groups".to_owned(), form.to_owned());
        std::iter::once(form).chain(limits).collect()
    }

    /// Where groups with that controller can be made.
    fn place_of(&self, controller: Controller) -> Result<(&Place, Version), EngineError> {
        let name = controller.name();
        let cannot =
            |reason, help: &str| Err(controller.cannot(reason, format!("{help}, {OTHER_ENGINE}")));
        let mut with = self
            .hierarchies()
            .iter()
            .filter(|found| found.controllers.contains(&controller));
        let found = with
            .clone()
            .find(|found| found.place.is_ok())
            .or(with.next());
        if let Some(Hierarchy { version, place, .. }) = found {
            return match place {
                Ok(place) => Ok((place, *version)),
                Err(Obstacle::ReadOnly(path)) => cannot(
                    format!("`{}` is read-only", path.display()),
                    "where this is a container, give it control groups that it can write (`--privileged`)",
                ),
                Err(Obstacle::NotAllowed(path)) => cannot(
                    format!("this user may make no groups in `{}`", path.display()),
                    match version {
                        Version::V1 => "run this as root",
                        Version::V2 => {
                            "run this by `systemd-run --user --scope --property=Delegate=yes`, or as root"
                        }
                    },
                ),
            };
        }
        let second = self
            .hierarchies()
            .iter()
            .find(|found| found.version == Version::V2);
        match second.map(|found| &found.place) {
            Some(Ok(place)) if place.path.join("cgroup.type").exists() => cannot(
                format!(
                    "`{}` was not given the `{name}` controller",
                    place.path.display()
                ),
                "have systemd give it (`Delegate=yes` in the service; to a user: `Delegate=cpu memory pids` in `user@.service`), run this as root",
            ),
            _ if self.hierarchies().is_empty() => cannot(
                "no control groups are mounted here".to_owned(),
                "mount them at `/sys/fs/cgroup`",
            ),
            _ => cannot(
                format!("the kernel has no `{name}` controller"),
                &format!("start the machine with `cgroup_enable={name}`"),
            ),
        }
    }
}

fn not_made(controller: Controller, place: &Place, error: &io::Error) -> EngineError {
    let path = place.path.display();
    let reason = match error.raw_os_error() {
        Some(libc::EBUSY) => format!("processes in `{path}` are in the way, and cannot be moved"),
        _ => format!("no group can be made in `{path}`: {error}"),
    };
    let help = "run this as root, or in a service of its own with `Delegate=yes`";
    controller.cannot(reason, format!("{help}, {OTHER_ENGINE}"))
}
