//! What a file has besides its content: owner, mode, extended attributes and time.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::super::form::Form;

/// What a program may do beyond its user's rights.
const CAPABILITY: &str = "security.capability";

/// The attributes of one file.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) time: Timespec,
    /// Names and values of extended attributes.
    pub(super) extended: Vec<(OsString, Vec<u8>)>,
}

impl Attributes {
    /// Gives an open file all of them but the time. The order matters: a new owner takes set-uid bits and capabilities away.
    /// What an ordinary user makes stays that user's, who is root inside; capabilities are not an ordinary user's to give.
    pub(super) fn set(&self, file: BorrowedFd<'_>, form: Form) -> io::Result<()> {
        let (uid, gid) = self.owner()?;
        // Most files are made right, and a change costs more than a look.
        let made = rustix::fs::fstat(file)?;
        let is_owned = !form.has_users() || (made.st_uid, made.st_gid) == (self.uid, self.gid);
        if !is_owned {
            rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(|error| self.no_owner(error))?;
        }
        if !is_owned || Mode::from_raw_mode(made.st_mode) != self.mode() {
            rustix::fs::fchmod(file, self.mode())?;
        }
        for (name, value) in &self.extended {
            if !form.has_users() && name == CAPABILITY {
                continue;
            }
            match rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()) {
                // Not every file system keeps those of users; what a file may do is never lost silently.
                Err(Errno::NOTSUP) if name != CAPABILITY => {}
                set => set.map_err(|error| not_set(file, name, value.len(), error))?,
            }
        }
        Ok(())
    }

    /// Gives an open file the time.
    pub(super) fn set_time(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        Ok(rustix::fs::futimens(file, &times(self.time))?)
    }

    /// Gives them to something that cannot be opened and was just made: a link, or what opening does something to.
    pub(super) fn set_at(
        &self,
        directory: BorrowedFd<'_>,
        name: &std::ffi::OsStr,
        is_link: bool,
        form: Form,
    ) -> io::Result<()> {
        let (uid, gid) = self.owner()?;
        let itself = AtFlags::SYMLINK_NOFOLLOW;
        if form.has_users() {
            rustix::fs::chownat(directory, name, Some(uid), Some(gid), itself)
                .map_err(|error| self.no_owner(error))?;
        }
        if !is_link {
            rustix::fs::chmodat(directory, name, self.mode(), AtFlags::empty())?;
        }
        Ok(rustix::fs::utimensat(
            directory,
            name,
            &times(self.time),
            itself,
        )?)
    }

    /// The mode to make it with: without what must not hold before its owner is right.
    pub(super) fn first_mode(&self) -> Mode {
        self.mode() & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
    }

    pub(super) fn mode(&self) -> Mode {
        Mode::from_raw_mode(self.mode & 0o7777)
    }

    fn owner(&self) -> io::Result<(Uid, Gid)> {
        // The highest number means "leave it" to the kernel.
        if self.uid == u32::MAX || self.gid == u32::MAX {
            return Err(io::Error::other("its owner is out of range"));
        }
        Ok((Uid::from_raw(self.uid), Gid::from_raw(self.gid)))
    }

    fn no_owner(&self, error: Errno) -> io::Error {
        let (uid, gid) = (self.uid, self.gid);
        let mut text = format!("its owner cannot be {uid}:{gid}: {error}");
        if error == Errno::INVAL {
            text.push_str("\nhelp: give your user more numbers in `/etc/subuid` and `/etc/subgid`");
        }
        io::Error::new(error.kind(), text)
    }
}

fn not_set(file: BorrowedFd<'_>, name: &OsStr, length: usize, error: Errno) -> io::Error {
    // ext4 says that there is no space for attributes that take more than a block, however much there is.
    let has_space = || rustix::fs::fstatvfs(file).is_ok_and(|about| about.f_bavail > 1024);
    let name = name.to_string_lossy();
    match error {
        Errno::NOSPC | Errno::TOOBIG | Errno::RANGE if has_space() => io::Error::other(format!(
            "its attribute `{name}` of {length} bytes is more than the file system of the store takes"
        )),
        _ => io::Error::new(
            error.kind(),
            format!("its attribute `{name}` cannot be set: {error}"),
        ),
    }
}

/// One time for both that a file has.
pub(super) fn times(time: Timespec) -> Timestamps {
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
