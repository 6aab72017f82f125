//! Finds the hierarchies of control groups on this machine, and where in each this process may make groups.
//!
//! Groups are made as high up as is allowed, like those of Docker: there the next process finds what a killed one left, and
//! nobody who removes a group of their own (a login session, a service) meets ours in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::Controller;

/// How a hierarchy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A mounted hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// Those of its controllers that there are where we make groups.
    pub(super) controllers: Vec<Controller>,
    /// Where groups can be made.
    pub(super) place: Result<Place, Obstacle>,
}

/// A group in which we may make others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Processes are in it, this one among them. In v2 they must move before controllers can be used below it.
    pub(super) crowded: bool,
}

/// Why no group can be made in a hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It is mounted read-only here.
    ReadOnly(PathBuf),
    /// This user may not.
    NotAllowed(PathBuf),
}

/// The hierarchies that `proc`, the `/proc` of this process, tells of. A v2 hierarchy is told of without controllers, too.
pub(super) fn hierarchies(proc: &Path) -> Vec<Hierarchy> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).unwrap_or_default();
    let memberships = read("self/cgroup");
    read("self/mountinfo")
        .lines()
        .filter_map(Mounted::from_line)
        .filter_map(|mounted| {
            let own = mounted.own_group(&memberships);
            match mounted.version {
                Version::V1 => first(&mounted, own.as_deref()),
                Version::V2 => second(&mounted, own.as_deref()),
            }
        })
        .collect()
}

/// A line of `mountinfo` that is a hierarchy.
struct Mounted {
    version: Version,
    /// The group that is seen at the mount point.
    root: PathBuf,
    point: PathBuf,
    /// Of the whole file system: in v1 the controllers.
    options: String,
}

impl Mounted {
    fn from_line(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let version = match file_system.next()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let mut mount = mount.split(' ').skip(3);
        Some(Self {
            version,
            root: unescaped(mount.next()?),
            point: unescaped(mount.next()?),
            options: file_system.nth(1)?.to_owned(),
        })
    }

    fn names(&self, controller: Controller) -> bool {
        self.options
            .split(',')
            .any(|option| option == controller.name())
    }

    /// The path of this process's own group below the mount point, where it is seen there.
    fn own_group(&self, memberships: &str) -> Option<PathBuf> {
        let of_this = |controllers: &str| match self.version {
            Version::V1 => controllers
                .split(',')
                .any(|name| self.options.split(',').any(|option| option == name)),
            Version::V2 => controllers.is_empty(),
        };
        let path = memberships.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            of_this(controllers).then_some(path)
        })?;
        // A process outside its namespace's root has a path of `..`.
        let below = Path::new(path).strip_prefix(&self.root).ok()?;
        let plain = below
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        plain.then(|| below.to_owned())
    }

    /// The groups from the highest that is seen down to our own.
    fn chain(&self, own: Option<&Path>) -> Vec<PathBuf> {
        let mut chain = vec![self.point.clone()];
        for part in own.into_iter().flatten() {
            chain.push(chain[chain.len() - 1].join(part));
        }
        chain
    }
}

fn first(mounted: &Mounted, own: Option<&Path>) -> Option<Hierarchy> {
    let controllers: Vec<_> = Controller::ALL
        .into_iter()
        .filter(|&controller| mounted.names(controller))
        .collect();
    if controllers.is_empty() {
        return None;
    }
    let place = highest(&mounted.chain(own), |group| {
        writable(group)?;
        writable(&group.join("cgroup.procs"))?;
        Ok(Some(false))
    });
    Some(Hierarchy {
        version: Version::V1,
        controllers,
        place,
    })
}

fn second(mounted: &Mounted, own: Option<&Path>) -> Option<Hierarchy> {
    let chain = mounted.chain(own);
    let usable = |group: &Path| {
        writable(group)?;
        writable(&group.join("cgroup.procs"))?;
        writable(&group.join("cgroup.subtree_control"))
    };
    let place = highest(&chain, |group| {
        usable(group)?;
        let threaded =
            fs::read_to_string(group.join("cgroup.type")).is_ok_and(|kind| kind.trim() != "domain");
        Ok((!threaded && has_room(group)).then_some(false))
    });
    // The last resort is our own group: that of a service which was given it to divide, or of a container.
    let place = place.or_else(|obstacle| {
        let own = own.and(chain.last()).filter(|group| usable(group).is_ok());
        own.map(|path| Place {
            path: path.clone(),
            crowded: true,
        })
        .ok_or(obstacle)
    });
    let asked = place.as_ref().map_or(&mounted.point, |place| &place.path);
    let offered = fs::read_to_string(asked.join("cgroup.controllers")).unwrap_or_default();
    let controllers = Controller::ALL
        .into_iter()
        .filter(|controller| {
            offered
                .split_whitespace()
                .any(|name| name == controller.name())
        })
        .collect();
    Some(Hierarchy {
        version: Version::V2,
        controllers,
        place,
    })
}

/// The highest group that `check` finds good (`Some`: whether it is crowded), else what is in the way at the lowest.
fn highest(
    chain: &[PathBuf],
    check: impl Fn(&Path) -> io::Result<Option<bool>>,
) -> Result<Place, Obstacle> {
    let mut obstacle = Obstacle::NotAllowed(chain[0].clone());
    for path in chain {
        match check(path) {
            Ok(Some(crowded)) => {
                return Ok(Place {
                    path: path.clone(),
                    crowded,
                });
            }
            Ok(None) => obstacle = Obstacle::NotAllowed(path.clone()),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                obstacle = Obstacle::ReadOnly(path.clone());
            }
            Err(_) => obstacle = Obstacle::NotAllowed(path.clone()),
        }
    }
    Err(obstacle)
}

fn writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, Access::WRITE_OK)?)
}

/// Whether a v2 group may give controllers to groups below it: it is the root of all (which has no type), or holds no process.
fn has_room(group: &Path) -> bool {
    !group.join("cgroup.type").exists()
        || fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| text.trim().is_empty())
}

/// The kernel writes blanks and backslashes of paths as `\040` and `\134`.
fn unescaped(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\')
            .then(|| std::str::from_utf8(after.get(..3)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
