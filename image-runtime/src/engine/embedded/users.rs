//! The numbers that an ordinary user has been given besides the own one, and the user namespace in which they are the users of
//! containers and the owners of files. Nobody outside of it may give a file to one of them, or remove what one of them owns:
//! what this program does to layers is done inside, too ([`Users::run`]).

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::sandbox::{errand, user_namespace};

/// As many as images take for granted: `nobody` is 65534.
const FEWEST: u32 = 65_536;

/// What a namespace is mapped with, and by whose program: that is set-uid root, and looks whether the user may.
const MAPPERS: [(&str, &str); 2] = [("newuidmap", "/etc/subuid"), ("newgidmap", "/etc/subgid")];

/// Numbers that the machine has given to this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u32,
    count: u32,
}

/// The users of containers, where an ordinary user has more than one.
#[derive(Debug)]
pub(super) struct Users {
    /// Of users and of groups.
    ranges: [Range; 2],
    mappers: [PathBuf; 2],
    /// Made when it is needed first: it takes two programs.
    namespace: Mutex<Option<&'static OwnedFd>>,
}

thread_local! {
    /// Whether this thread has somebody at work inside, which to all that is in memory is the thread itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

impl Users {
    /// Those that this user has. Nothing is made.
    ///
    /// # Errors
    /// Why there are none, and what to do about it.
    pub(super) fn find() -> Result<Self, String> {
        let uid = rustix::process::geteuid().as_raw();
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let name = name_of(uid, &read("/etc/passwd"));
        let search = std::env::var_os("PATH").unwrap_or_default();
        let find = |(program, file): (&str, &str)| {
            let mapper = executable(program, &search).ok_or_else(|| {
                format!("`{program}` is not installed\n  help: `sudo apt install uidmap` gives containers all users")
            })?;
            let range = granted(&read(file), &name, uid).ok_or_else(|| {
                let free = free(&[read(MAPPERS[0].1), read(MAPPERS[1].1)]);
                let free = format!("{free}-{}", free + u64::from(FEWEST) - 1);
                format!(
                    "`{file}` has no range of {FEWEST} numbers for `{name}`\n  help: `sudo usermod --add-subuids {free} --add-subgids {free} {name}` gives containers all users"
                )
            })?;
            Ok::<_, String>((mapper, range))
        };
        let (uids, gids) = (find(MAPPERS[0])?, find(MAPPERS[1])?);
        Ok(Self {
            ranges: [uids.1, gids.1],
            mappers: [uids.0, gids.0],
            namespace: Mutex::new(None),
        })
    }

    /// Part of the name of the folder of the layers: whoever gets other numbers does not own those files.
    pub(super) fn key(&self) -> String {
        let [uids, gids] = self.ranges.map(|range| range.start);
        if uids == gids {
            uids.to_string()
        } else {
            format!("{uids}-{gids}")
        }
    }

    /// Which numbers these are, for people.
    pub(super) fn told(&self) -> String {
        let Range { start, count } = self.ranges[0];
        format!("{start}–{}", u64::from(start) + u64::from(count) - 1)
    }

    /// The namespace.
    ///
    /// # Errors
    /// It cannot be made, or not be mapped.
    pub(super) fn namespace(&self) -> io::Result<BorrowedFd<'static>> {
        let mut namespace = self
            .namespace
            .lock()
            .map_err(|_| io::Error::other("making a user namespace failed before"))?;
        if let Some(made) = *namespace {
            return Ok(made.as_fd());
        }
        // Kept until the program ends: what it holds may be needed while all else goes.
        let made: &'static OwnedFd = Box::leak(Box::new(user_namespace(|pid| self.map(pid))?));
        *namespace = Some(made);
        Ok(made.as_fd())
    }

    fn map(&self, pid: u32) -> io::Result<()> {
        let own = [
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        ];
        let mut running = Vec::new();
        for ((mapper, own), range) in self.mappers.iter().zip(own).zip(self.ranges) {
            let words = [0, own, 1, 1, range.start, range.count];
            let child = Command::new(mapper)
                .arg(pid.to_string())
                .args(words.map(|word| word.to_string()))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()?;
            running.push((mapper, child));
        }
        for (mapper, child) in running {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let text = format!("`{}` failed: {}", mapper.display(), said.trim());
                return Err(io::Error::new(ErrorKind::PermissionDenied, text));
            }
        }
        Ok(())
    }

    /// Does something that blocks as root of the namespace. The thread sleeps meanwhile.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub(super) fn run<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        if INSIDE.get() {
            return Ok(work());
        }
        let namespace = self.namespace()?;
        // Said here, and not by who works inside, which has this thread's data: it may be killed before it can take that back.
        INSIDE.set(true);
        let _outside = Outside;
        errand(namespace, work)
    }
}

/// Does something that blocks as root over the files of this user, where that is the only one: no mode keeps it out then.
///
/// # Errors
/// No such namespace can be made or entered.
pub(super) fn as_root<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    errand(alone()?.as_fd(), work)
}

/// A namespace in which this user is root and nobody else exists.
fn alone() -> io::Result<OwnedFd> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    user_namespace(|pid| {
        let write = |file: &str, text: String| fs::write(format!("/proc/{pid}/{file}"), text);
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("0 {} 1", uid.as_raw()))?;
        write("gid_map", format!("0 {} 1", gid.as_raw()))
    })
}

struct Outside;

impl Drop for Outside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}

/// The name of a user, who is a number where nobody knows one.
fn name_of(uid: u32, passwd: &str) -> String {
    let rows = passwd.lines().map(|line| line.split(':'));
    rows.filter_map(|mut row| Some((row.next()?, row.nth(1)?)))
        .find(|(_, number)| number.parse() == Ok(uid))
        .map_or_else(|| uid.to_string(), |(name, _)| name.to_owned())
}

/// The first range of a file like `/etc/subuid` that is the user's and large enough.
fn granted(file: &str, name: &str, uid: u32) -> Option<Range> {
    let number = uid.to_string();
    file.lines().find_map(|line| {
        let [owner, start, count] = line.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let (start, count) = (
            start.parse::<u32>().ok()?,
            count.trim().parse::<u32>().ok()?,
        );
        let is_good = (owner == name || owner == number) && count >= FEWEST;
        (is_good && start.checked_add(count).is_some()).then_some(Range { start, count })
    })
}

/// Where a range can begin that nobody has.
fn free(files: &[String]) -> u64 {
    let lines = files.iter().flat_map(|file| file.lines());
    let ends = lines.filter_map(|line| {
        let mut words = line
            .split(':')
            .skip(1)
            .map(|word| word.trim().parse::<u64>());
        Some(words.next()?.ok()? + words.next()?.ok()?)
    });
    ends.max().unwrap_or_default().max(100_000)
}

fn executable(program: &str, search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search)
        .map(|folder| folder.join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbroken\n";

    #[test]
    fn a_user_has_a_name_or_is_a_number() {
        assert_eq!(name_of(1000, PASSWD), "ann");
        assert_eq!(name_of(7, PASSWD), "7");
    }

    #[test]
    fn a_range_is_found_by_name_and_by_number_and_is_large_enough() {
        let of = |file| granted(file, "ann", 1000).map(|range| range.start);
        assert_eq!(of("bob:100000:65536\nann:165536:65536\n"), Some(165_536));
        assert_eq!(of("1000:200000:65536"), Some(200_000));
        assert_eq!(of("ann:5000:1000\nann:300000:70000\n"), Some(300_000));
        for bad in [
            "",
            "ann:1:2",
            "ann:x:65536",
            "ann:4294967290:65536",
            "bob:1:65536",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_range_that_is_proposed_is_nobodys() {
        let of = |files: [&str; 2]| free(&files.map(str::to_owned));
        assert_eq!(of(["", ""]), 100_000);
        assert_eq!(of(["a:100000:65536\n", "odd\nb:200000:65536\n"]), 265_536);
    }

    #[test]
    fn after_work_that_was_killed_inside_this_thread_is_outside() {
        let namespace: &'static OwnedFd = Box::leak(Box::new(alone().unwrap()));
        let range = Range { start: 0, count: 0 };
        let users = Users {
            ranges: [range; 2],
            mappers: Default::default(),
            namespace: Mutex::new(Some(namespace)),
        };
        let current = || fs::read_link("/proc/self/ns/user").unwrap();
        let outside = current();
        let killed = users.run(|| {
            let myself = rustix::process::getpid();
            rustix::process::kill_process(myself, rustix::process::Signal::KILL)
        });
        assert_eq!(killed.unwrap_err().kind(), ErrorKind::Interrupted);
        let (inside, deeper) = users.run(|| (current(), users.run(current))).unwrap();
        assert!(inside != outside && deeper.unwrap() == inside);
    }

    #[test]
    fn a_program_is_found_where_it_can_be_executed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newuidmap");
        fs::write(&path, "").unwrap();
        let find = || executable("newuidmap", folder.path().as_os_str());
        assert_eq!(find(), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(), Some(path.clone()));
    }
}
