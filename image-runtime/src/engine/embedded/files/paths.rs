//! Paths as archives write them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// A path as archives write it (`./usr/bin/`, `/etc`), from the root and without what says nothing.
pub(super) fn clean(path: &[u8]) -> io::Result<PathBuf> {
    if path.contains(&0) {
        return Err(io::Error::other("its name holds a NUL"));
    }
    let mut clean = PathBuf::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let path = shown(path);
                return Err(io::Error::other(format!(
                    "`{path}` could leave the root directory"
                )));
            }
            part => clean.push(OsStr::from_bytes(part)),
        }
    }
    Ok(clean)
}

/// A name for people: not too long, and without what a terminal obeys.
pub(super) fn shown(path: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(path);
    let mut shown: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
