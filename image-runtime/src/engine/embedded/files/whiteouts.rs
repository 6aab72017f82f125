//! What a layer hides of those below it.
//!
//! OCI tells of removed files by names: `.wh.NAME` removes NAME of the layers below, `.wh..wh..opq` all of its directory. Overlayfs
//! tells of them by devices and attributes. Neither touches what the same layer brings.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use super::super::form::Form;
use super::tree::{Directory, Tree, is_not_directory};

/// Whether a layer hides everything of all layers below. Overlayfs does not look for that in the root of a layer: who mounts
/// it leaves those layers out.
pub(in crate::engine::embedded) fn hides_all_below(
    root: BorrowedFd<'_>,
    form: Form,
) -> io::Result<bool> {
    let mut value = [0];
    match rustix::fs::fgetxattr(root, form.opaque(), &mut value) {
        Ok(length) => Ok(value[..length] == *b"y"),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Tree {
    /// Hides a file of the layers below.
    pub(super) fn hide(&mut self, at: &Directory, name: &OsStr) -> io::Result<()> {
        if self.known(at).is_opaque {
            return Ok(());
        }
        let device = rustix::fs::makedev(0, 0);
        let kind = FileType::CharacterDevice;
        match rustix::fs::mknodat(&at.fd, name, kind, Mode::empty(), device) {
            Ok(()) => {
                self.known(at).hidden.insert(name.to_owned());
                Ok(())
            }
            // This layer has one of that name, which hides those below unless both are directories.
            Err(Errno::EXIST) => match Tree::directory_at(at, name) {
                Ok(there) => self.hide_all(&there),
                Err(error) if is_not_directory(&error) => Ok(()),
                Err(error) => Err(error),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Hides everything that a directory has in the layers below.
    pub(super) fn hide_all(&mut self, at: &Directory) -> io::Result<()> {
        rustix::fs::fsetxattr(&at.fd, self.form.opaque(), b"y", XattrFlags::empty())?;
        let known = self.known(at);
        known.is_opaque = true;
        // Overlayfs would show them.
        for name in std::mem::take(&mut known.hidden) {
            rustix::fs::unlinkat(&at.fd, name, AtFlags::empty())?;
        }
        Ok(())
    }
}
