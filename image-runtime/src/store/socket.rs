//! Sockets in folders of the store.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// Does something with the address of a socket in a folder. Addresses hold 107 bytes; this one is short wherever the store is.
pub(crate) fn socket_in<T>(
    folder: &Path,
    name: &str,
    open: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let opened = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{name}", opened.as_raw_fd()));
    open(&short)
}
