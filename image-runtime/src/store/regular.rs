//! Files that a container may have put there. To open a device or a pipe does something already, a link leads anywhere, and there may be no
//! end of what is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

/// The most that is read of a file that says something in few words.
const MOST: u64 = 16 << 20;

/// Opens a file for reading, if a file is what is there.
///
/// # Errors
/// It is something else, or cannot be opened.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    regular(openat(CWD, path, flags, Mode::empty())?)
}

/// The same of what was found, and not opened yet (`O_PATH`).
///
/// # Errors
/// See [`open_regular`].
pub fn regular(found: OwnedFd) -> io::Result<File> {
    match FileType::from_raw_mode(fstat(&found)?.st_mode) {
        FileType::RegularFile => File::open(format!("/proc/self/fd/{}", found.as_raw_fd())),
        _ => Err(io::Error::other("it is no file")),
    }
}

/// Reads all of something that is small.
///
/// # Errors
/// It is not, or cannot be read.
pub fn read_small(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => Err(io::Error::other("it is larger than 16 MiB")),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::mknodat;

    use super::*;

    #[test]
    fn nothing_but_a_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        // To open it would wait for somebody who writes.
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let text = read_small(open_regular(&at("file")).unwrap()).unwrap();
        assert_eq!(text, b"text");
        for name in ["directory", "link", "pipe", "missing"] {
            open_regular(&at(name)).unwrap_err();
        }
    }

    #[test]
    fn what_has_no_end_is_not_read_for_ever() {
        let error = read_small(io::repeat(0)).unwrap_err().to_string();
        assert!(error.contains("16 MiB"), "{error}");
        assert_eq!(
            read_small(io::repeat(0).take(MOST)).unwrap().len() as u64,
            MOST
        );
    }
}
