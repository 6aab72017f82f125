//! Removes a directory with all that is in it, and never what a link in it points to.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::tree::Inode;

/// How deep directories may lie in one another. Each holds a file descriptor open while those in it go.
const DEEPEST: usize = 200;

/// Removes a directory and answers which directories went.
pub(super) fn remove(at: BorrowedFd<'_>, name: impl Arg + Copy) -> io::Result<Vec<Inode>> {
    let mut gone = Vec::new();
    remove_below(at, name, 0, &mut gone)?;
    Ok(gone)
}

fn remove_below(
    at: BorrowedFd<'_>,
    name: impl Arg + Copy,
    depth: usize,
    gone: &mut Vec<Inode>,
) -> io::Result<()> {
    if depth == DEEPEST {
        return Err(io::Error::other(format!(
            "there are more than {DEEPEST} directories in one another where it is to be"
        )));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(at, name, flags, Mode::empty())?;
    // All names first: what is removed while a directory is read may hide what follows.
    let mut names: Vec<CString> = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    for name in &names {
        match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => remove_below(directory.as_fd(), name, depth + 1, gone)?,
            removed => removed?,
        }
    }
    gone.push(Inode::of(directory.as_fd())?);
    Ok(rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR)?)
}
