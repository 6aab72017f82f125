//! Packs the directory of a layer as registries and other engines take it: a tar stream that is the same whenever the files are.
//!
//! Entries are sorted, owners are numbers (root's where an ordinary user has the layer), times are whole seconds, and what overlayfs marks as hidden becomes the names of OCI.
//! [`unpack`](super::unpack) makes the same directory of it again.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::super::form::Form;
use super::header::{Header, Kind};
use super::paths::shown;
use super::pax;
use super::tree::Inode;
use super::whiteouts::hides_all_below;

/// The names by which OCI tells what a layer hides.
const HIDDEN: &[u8] = b".wh.";
const ALL_HIDDEN: &[u8] = b".wh..wh..opq";

const BLOCK: u64 = 512;
const CHUNK: usize = 128 * 1024;

/// Packs all of a directory, and answers the newest time in it: seconds since 1970, 0 where there is none. Changes nothing of it, so
/// who does this must be allowed to read files whose modes keep everybody out, as root is.
pub(in crate::engine::embedded) fn pack(
    root: BorrowedFd<'_>,
    form: Form,
    out: &mut dyn Write,
) -> io::Result<u64> {
    let mut packer = Packer {
        root,
        form,
        out,
        links: HashMap::new(),
        buffer: vec![0; CHUNK],
        newest: 0,
    };
    // Kept by hand, since files may lie deeper than a thread's stack allows.
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let below = packer.add(&path).map_err(|error| {
            let path = shown(path.as_os_str().as_bytes());
            io::Error::new(error.kind(), format!("`/{path}`: {error}"))
        })?;
        pending.extend(below.into_iter().rev());
    }
    packer.out.write_all(&[0; 2 * BLOCK as usize])?;
    Ok(packer.newest)
}

struct Packer<'a> {
    root: BorrowedFd<'a>,
    form: Form,
    out: &'a mut dyn Write,
    /// Where files were first seen that have several names.
    links: HashMap<Inode, PathBuf>,
    buffer: Vec<u8>,
    newest: u64,
}

impl Packer<'_> {
    /// Packs what is at a path, and answers what is in it, sorted.
    fn add(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let is_root = path.as_os_str().is_empty();
        let at = if is_root { Path::new(".") } else { path };
        let stat = rustix::fs::statat(self.root, at, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let name = path.file_name().unwrap_or_default().as_bytes();
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            self.hidden(path.with_file_name(OsString::from_vec([HIDDEN, name].concat())))?;
            return Ok(Vec::new());
        }
        if name.starts_with(HIDDEN) {
            return Err(io::Error::other(
                "its name begins with `.wh.`, which in an image means a file that is removed",
            ));
        }
        if kind == FileType::Socket {
            return Ok(Vec::new());
        }
        self.newest = self.newest.max(u64::try_from(stat.st_mtime).unwrap_or(0));
        let mut header = self.header(path, &stat);
        if kind == FileType::Directory {
            return self.directory(path, at, header);
        }
        if stat.st_nlink > 1 {
            let inode = Inode::in_stat(&stat);
            if let Some(first) = self.links.get(&inode) {
                header.link = first.as_os_str().as_bytes().to_owned();
                return self.plain(header, Kind::HardLink);
            }
            self.links.insert(inode, path.to_owned());
        }
        match kind {
            FileType::RegularFile => self.file(path, header),
            FileType::Symlink => {
                header.link = rustix::fs::readlinkat(self.root, path, Vec::new())?.into_bytes();
                self.plain(header, Kind::Symlink)
            }
            FileType::Fifo => self.plain(header, Kind::Fifo),
            FileType::CharacterDevice | FileType::BlockDevice => {
                let (major, minor) = (
                    rustix::fs::major(stat.st_rdev),
                    rustix::fs::minor(stat.st_rdev),
                );
                let kind = match kind {
                    FileType::BlockDevice => Kind::BlockDevice(major, minor),
                    _ => Kind::CharacterDevice(major, minor),
                };
                self.plain(header, kind)
            }
            _ => Err(io::Error::other("it is of a kind that images do not have")),
        }
    }

    fn directory(
        &mut self,
        path: &Path,
        at: &Path,
        mut header: Header,
    ) -> io::Result<Vec<PathBuf>> {
        let directory = self.open(at, OFlags::DIRECTORY)?;
        header.extended = self.attributes(directory.as_fd())?;
        header.path = match path.as_os_str().as_bytes() {
            b"" => b"./".to_vec(),
            path => [path, b"/"].concat(),
        };
        header.write(Kind::Directory, self.out)?;
        if hides_all_below(directory.as_fd(), self.form)? {
            self.hidden(path.join(OsStr::from_bytes(ALL_HIDDEN)))?;
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(OsStr::from_bytes(name).to_owned()),
            }
        }
        names.sort();
        Ok(names.iter().map(|name| path.join(name)).collect())
    }

    fn file(&mut self, path: &Path, mut header: Header) -> io::Result<Vec<PathBuf>> {
        let mut file = File::from(self.open(path, OFlags::empty())?);
        header.extended = self.attributes(file.as_fd())?;
        header.size = file.metadata()?.len();
        let size = header.size;
        header.write(Kind::File, self.out)?;
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let read = match file.read(&mut self.buffer[..wanted]) {
                Ok(0) => return Err(io::Error::other("it became shorter while it was read")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.out.write_all(&self.buffer[..read])?;
            left -= read as u64;
        }
        let padding = (size.wrapping_neg() % BLOCK) as usize;
        self.out.write_all(&[0; BLOCK as usize][..padding])?;
        Ok(Vec::new())
    }

    fn plain(&mut self, header: Header, kind: Kind) -> io::Result<Vec<PathBuf>> {
        header.write(kind, self.out)?;
        Ok(Vec::new())
    }

    /// Tells that something of the layers below is not there any more.
    fn hidden(&mut self, path: PathBuf) -> io::Result<()> {
        let header = Header {
            path: path.into_os_string().into_vec(),
            ..Header::default()
        };
        header.write(Kind::File, self.out)
    }

    fn header(&self, path: &Path, stat: &Stat) -> Header {
        let (uid, gid) = match self.form {
            Form::Root | Form::Range => (stat.st_uid, stat.st_gid),
            // Who is root inside.
            Form::User => (0, 0),
        };
        Header {
            path: path.as_os_str().as_bytes().to_owned(),
            mode: stat.st_mode & 0o7777,
            uid,
            gid,
            time: stat.st_mtime,
            ..Header::default()
        }
    }

    fn open(&self, path: &Path, more: OFlags) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        Ok(rustix::fs::openat(self.root, path, flags, Mode::empty())?)
    }

    /// The extended attributes that images have, sorted.
    fn attributes(&self, file: BorrowedFd<'_>) -> io::Result<Vec<(OsString, Vec<u8>)>> {
        let mut names = Vec::new();
        match grow(|buffer| rustix::fs::flistxattr(file, buffer)) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            list => {
                let list = list?;
                names.extend(
                    list.split(|byte| *byte == 0)
                        .map(OsStr::from_bytes)
                        .map(OsStr::to_owned),
                );
            }
        }
        names.sort();
        let mut found = Vec::new();
        for name in names {
            // The files of such a layer lie in others: those who have only this one could not find them.
            if [".overlay.redirect", ".overlay.metacopy"]
                .iter()
                .any(|end| name.as_bytes().ends_with(end.as_bytes()))
            {
                return Err(io::Error::other(format!(
                    "overlayfs left the attribute `{}` at it, so it is only a part of the file",
                    name.display()
                )));
            }
            if pax::is_allowed(name.as_bytes()) {
                let value = grow(|buffer| rustix::fs::fgetxattr(file, &*name, buffer))?;
                found.push((name, value));
            }
        }
        Ok(found)
    }
}

/// Asks with a buffer that becomes larger until the answer fits.
fn grow(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match ask(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // More than the kernel has for any of them.
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
        }
    }
}
