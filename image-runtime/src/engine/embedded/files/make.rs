//! Makes what is no directory. Nothing that is there is ever written to: it goes, and something new takes its place.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::Attributes;
use super::remove::remove;
use super::tree::{Directory, InTheWay, Tree, stat};

impl Tree {
    /// Makes a regular file of a content that is read to its end.
    pub(super) fn file(
        &mut self,
        at: &Directory,
        name: &OsStr,
        content: &mut dyn Read,
        attributes: &Attributes,
    ) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = attributes.first_mode();
        let file = self.make(at, name, || rustix::fs::openat(&at.fd, name, flags, mode))?;
        let mut file = std::fs::File::from(file);
        loop {
            match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => file.write_all(&self.buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        attributes.set(file.as_fd(), self.form)?;
        attributes.set_time(file.as_fd())
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(
        &mut self,
        at: &Directory,
        name: &OsStr,
        target: &OsStr,
        attributes: &Attributes,
    ) -> io::Result<()> {
        self.make(at, name, || rustix::fs::symlinkat(target, &at.fd, name))?;
        attributes.set_at(at.fd.as_fd(), name, true, self.form)
    }

    /// Makes a device or a named pipe.
    pub(super) fn special(
        &mut self,
        at: &Directory,
        name: &OsStr,
        kind: FileType,
        (major, minor): (u32, u32),
        attributes: &Attributes,
    ) -> io::Result<()> {
        // More bits than the kernel keeps would name another device.
        if major >= 1 << 12 || minor >= 1 << 20 {
            return Err(io::Error::other(format!(
                "there is no device {major}:{minor}"
            )));
        }
        if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
            return Err(io::Error::other(
                "a device 0:0 is what overlayfs takes for a file that was removed",
            ));
        }
        let device = rustix::fs::makedev(major, minor);
        let private = Mode::RUSR | Mode::WUSR;
        self.make(at, name, || {
            rustix::fs::mknodat(&at.fd, name, kind, private, device)
        })?;
        attributes.set_at(at.fd.as_fd(), name, false, self.form)
    }

    /// Makes another name of a file, or of a link itself.
    pub(super) fn hard_link(
        &mut self,
        (target_at, target): (&Directory, &OsStr),
        at: &Directory,
        name: &OsStr,
    ) -> io::Result<()> {
        let (old, new) = (stat(target_at, target)?, stat(at, name));
        if FileType::from_raw_mode(old.st_mode) == FileType::Directory {
            return Err(io::Error::other("it is a hard link to a directory"));
        }
        if new.is_ok_and(|new| (new.st_dev, new.st_ino) == (old.st_dev, old.st_ino)) {
            return Ok(());
        }
        self.make(at, name, || {
            rustix::fs::linkat(&target_at.fd, target, &at.fd, name, AtFlags::empty())
        })
    }

    /// Makes something where something may be.
    fn make<T>(
        &mut self,
        at: &Directory,
        name: &OsStr,
        make: impl Fn() -> Result<T, Errno>,
    ) -> io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                self.clear(at, name)?;
                Ok(make()?)
            }
            made => Ok(made?),
        }
    }

    /// Removes what is there.
    pub(super) fn clear(&mut self, at: &Directory, name: &OsStr) -> io::Result<()> {
        match FileType::from_raw_mode(stat(at, name)?.st_mode) {
            FileType::Directory if self.in_the_way == InTheWay::Stays => {
                return Err(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "it is a directory in the image, so nothing else can be put there",
                ));
            }
            FileType::Directory => {
                self.open.clear();
                for gone in remove(at.fd.as_fd(), name)? {
                    // The next directory may get the same number.
                    self.known.remove(&gone);
                }
                return Ok(());
            }
            // Paths through it lead elsewhere from now on.
            FileType::Symlink => self.open.clear(),
            _ => {}
        }
        Ok(rustix::fs::unlinkat(&at.fd, name, AtFlags::empty())?)
    }
}
