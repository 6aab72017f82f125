//! Groups as directories: how they are made, given controllers, removed and swept.
//!
//! Who makes a group keeps its directory open and locked. The lock ends with its holder, however that ends, so a group that
//! nobody locks is left behind. Groups lie in a parent of our own, which is there only while a group is in it. (In v2 it also keeps
//! systemd from taking controllers away again that no unit of its own uses.)

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::processes::{PAUSES, kill, pauses, processes};
use super::{Controller, Directories};
use crate::store::is_at;

/// Our parent group in every place.
pub(super) const PARENT: &str = "image-runtime";
/// Where processes go that stand in the way of a v2 group's controllers. Not below our parent, which comes and goes.
const ROOM: &str = "image-runtime-host";
/// How often a group is tried to be made while others remove the parent or look whether it is left behind.
const TRIES: u32 = 50;

/// Makes a group and locks it.
pub(super) fn make_and_lock(path: &Path, directories: Directories) -> io::Result<File> {
    let parent = path.parent().expect("the path was joined of two");
    let mut taken = ErrorKind::AlreadyExists.into();
    for _ in 0..TRIES {
        match (directories.make)(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => match (directories.make)(parent) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => continue,
            },
            // A sweep that came between took ours for left behind, and is about to remove it; else the name is taken.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                taken = error;
                sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) => return Err(error),
        }
        match File::open(path) {
            Ok(directory) if lock(&directory, path)? => return Ok(directory),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Locks a group that was opened; answers whether it did, and the path still names this one. It may have been removed meanwhile, and
/// made anew: then the lock says nothing about who owns that.
pub(super) fn lock(directory: &File, path: &Path) -> io::Result<bool> {
    match directory.try_lock() {
        Ok(()) => is_at(directory, path),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Which of the controllers groups below a v2 group do not have yet.
pub(super) fn not_given(group: &Path, controllers: &[Controller]) -> Vec<Controller> {
    let given = fs::read_to_string(group.join("cgroup.subtree_control")).unwrap_or_default();
    let has = |controller: &&Controller| given.split_whitespace().any(|is| is == controller.name());
    let missing = controllers.iter().filter(|controller| !has(controller));
    missing.copied().collect()
}

/// Gives controllers to the groups below.
pub(super) fn give(group: &Path, controllers: &[Controller]) -> io::Result<()> {
    if controllers.is_empty() {
        return Ok(());
    }
    let add: Vec<_> = controllers
        .iter()
        .map(|controller| format!("+{}", controller.name()))
        .collect();
    write(&group.join("cgroup.subtree_control"), &add.join(" "))
}

/// Moves the processes of a v2 group that was given to us into one below it.
pub(super) fn make_room(group: &Path, directories: Directories) -> io::Result<()> {
    let room = group.join(ROOM);
    match (directories.make)(&room) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Again, as those that are there start others.
    for _ in 0..TRIES {
        let there = processes(group);
        if there.is_empty() {
            break;
        }
        for pid in there {
            match write(&room.join("cgroup.procs"), &pid.as_raw_pid().to_string()) {
                // It has ended.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// Removes what owners that died left in a place: the names of the groups.
pub(super) fn sweep(place: &Path, directories: Directories) -> Vec<String> {
    let mut swept = Vec::new();
    let parent = place.join(PARENT);
    for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(directory) = File::open(&path) else {
            continue;
        };
        // The files of a group are no groups; what is locked has an owner.
        if !path.is_dir() || !lock(&directory, &path).unwrap_or_default() {
            continue;
        }
        kill(&path);
        if remove(&path, PAUSES, directories).is_ok() {
            swept.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    let _ = (directories.remove)(&parent);
    swept
}

/// Removes a group, and the parent with the last. Waits `patience` times, longer each time, for processes to leave.
pub(super) fn remove(path: &Path, patience: usize, directories: Directories) -> io::Result<()> {
    let mut pauses = pauses().take(patience);
    loop {
        match (directories.remove)(path) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => match pauses.next() {
                Some(pause) => sleep(pause),
                None => return Err(error),
            },
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => break,
        }
    }
    if let Some(parent) = path.parent() {
        // Others may be in it.
        let _ = (directories.remove)(parent);
    }
    Ok(())
}

/// Never makes the file: the kernel has all there are.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    io::Write::write_all(&mut file, value.as_bytes())
}
