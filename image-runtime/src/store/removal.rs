//! Removes directories with all that is in them, whatever that is: containers make some that forbid their owner to look or to write, as
//! overlayfs does, and some that lie deeper than any path reaches, than a process may open directories, and than its stack has room.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, fchmod, fstat, openat, renameat, unlinkat,
};
use rustix::io::{Errno, Result};

/// So many directories are open below the one that goes. What lies deeper comes up to that first.
const DEEPEST: usize = 32;

/// Removes a directory.
///
/// # Errors
/// What the file system says; [`NotFound`](io::ErrorKind::NotFound) where it is not there.
pub fn remove(path: &Path) -> io::Result<()> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let top = enter(CWD, &name)?;
    loop {
        let mut removal = Removal {
            top: top.as_fd(),
            moved: 0,
            has_changed: false,
            failed: None,
        };
        removal.empty(enter(top.as_fd(), c".")?, 0);
        match unlinkat(CWD, &name, AtFlags::REMOVEDIR) {
            // What came up is in it, also what another process brought there; and there may be space now that was missing.
            Err(Errno::NOTEMPTY) if removal.has_changed => {}
            Err(Errno::NOTEMPTY) => return Err(removal.failed.unwrap_or(Errno::NOTEMPTY).into()),
            removed => return Ok(removed?),
        }
    }
}

/// One look at all that is there.
struct Removal<'a> {
    top: BorrowedFd<'a>,
    /// How many directories came up.
    moved: u32,
    /// Whether anything went, by whomever, or came up.
    has_changed: bool,
    /// The first error. All else goes nevertheless.
    failed: Option<Errno>,
}

impl Removal<'_> {
    fn empty(&mut self, directory: OwnedFd, depth: usize) {
        let removed = self.empty_or_fail(directory, depth);
        if let Err(error) = removed {
            self.failed.get_or_insert(error);
        }
    }

    fn empty_or_fail(&mut self, directory: OwnedFd, depth: usize) -> Result<()> {
        let mut entries = Dir::new(directory)?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            match self.remove(entries.fd()?, name, entry.file_type(), depth) {
                // Somebody else may be removing the same.
                Ok(()) | Err(Errno::NOENT) => self.has_changed = true,
                Err(error) => {
                    self.failed.get_or_insert(error);
                }
            }
        }
        Ok(())
    }

    fn remove(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        depth: usize,
    ) -> Result<()> {
        if kind != FileType::Directory {
            match unlinkat(directory, name, AtFlags::empty()) {
                // Not every file system says of what kind an entry is.
                Err(Errno::ISDIR) => {}
                removed => return removed,
            }
        }
        let inner = enter(directory, name)?;
        if depth == DEEPEST {
            return self.move_up(directory, name);
        }
        self.empty(inner, depth + 1);
        unlinkat(directory, name, AtFlags::REMOVEDIR)
    }

    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        loop {
            let free = format!("from-below-{}", self.moved);
            self.moved += 1;
            match renameat(directory, name, self.top, free) {
                // There is something of that name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                moved => return moved,
            }
        }
    }
}

/// Opens a directory, which its owner may then read and write. A link is none.
fn enter(directory: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    let all = Mode::RWXU;
    let open = || {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&directory, name, flags, Mode::empty())
    };
    let entered = match open() {
        Err(Errno::ACCESS) => {
            chmodat(&directory, name, all, AtFlags::empty())?;
            open()?
        }
        opened => opened?,
    };
    if !Mode::from_raw_mode(fstat(&entered)?.st_mode).contains(all) {
        match fchmod(&entered, all) {
            // Somebody else's goes if it is empty.
            Ok(()) | Err(Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entered)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::mkdirat;

    use super::*;

    /// Directories in one another.
    fn nested(at: &Path, depth: usize) {
        let mut directory = enter(CWD, &CString::new(at.as_os_str().as_bytes()).unwrap()).unwrap();
        for _ in 0..depth {
            mkdirat(&directory, "d", Mode::RWXU).unwrap();
            directory = enter(&directory, c"d").unwrap();
        }
    }

    #[test]
    fn directories_that_their_owner_may_not_enter_go_too() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        for mode in [0, 0o500, 0o200, 0o100] {
            let closed = run.join("work/closed");
            fs::create_dir_all(closed.join("in it")).unwrap();
            fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
            let above = fs::Permissions::from_mode(mode);
            fs::set_permissions(closed.parent().unwrap(), above).unwrap();
            remove(&run).unwrap();
            assert!(!run.exists());
        }
    }

    #[test]
    fn directories_go_however_deep_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("deep");
        for depth in [DEEPEST, DEEPEST + 1, 20_000] {
            // A name that those have which come up.
            fs::create_dir_all(deep.join("from-below-0/in it")).unwrap();
            fs::write(deep.join("from-below-1"), "").unwrap();
            nested(&deep, depth);
            nested(&deep.join("from-below-0"), depth);
            remove(&deep).unwrap();
            assert!(!deep.exists());
        }
    }

    #[test]
    fn what_links_lead_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [gone, stays] = ["gone", "stays"].map(|name| folder.path().join(name));
        fs::create_dir(&gone).unwrap();
        fs::create_dir(&stays).unwrap();
        fs::write(stays.join("file"), "").unwrap();
        fs::hard_link(stays.join("file"), gone.join("same")).unwrap();
        symlink(&stays, gone.join("link")).unwrap();
        symlink(&gone, folder.path().join("to it")).unwrap();
        let through = remove(&folder.path().join("to it")).unwrap_err();
        assert_eq!(through.kind(), io::ErrorKind::NotADirectory);
        remove(&gone).unwrap();
        assert!(!gone.exists() && stays.join("file").exists());
        let again = remove(&gone).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::NotFound);
    }
}
