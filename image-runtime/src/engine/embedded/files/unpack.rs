//! Unpacks a layer of an image into the directory that overlayfs takes it from.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FileType, Timespec};
use tar::EntryType;

use super::super::form::Form;
use super::attributes::Attributes;
use super::members::{Archive, Member};
use super::paths::{clean, shown};
use super::tree::{Directory, InTheWay, Tree, is_not_directory};
use super::writer::no_such_file;

/// Unpacks a tar stream into an empty directory, and reads the stream to its end. What fails leaves half a layer.
pub(in crate::engine::embedded) fn unpack(
    layer: impl Read,
    root: BorrowedFd<'_>,
    form: Form,
) -> io::Result<()> {
    let mut archive = Archive::new(layer);
    let mut into = Layer {
        tree: Tree::new(root, form, InTheWay::Goes)?,
    };
    while let Some(member) = archive.next()? {
        into.add(&member, &mut archive).map_err(|error| {
            let path = shown(&member.path);
            io::Error::new(error.kind(), format!("`{path}`: {error}"))
        })?;
    }
    archive.finish()?;
    into.tree.finish()
}

struct Layer {
    tree: Tree,
}

impl Layer {
    fn add(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<()> {
        let path = clean(&member.path)?;
        let Some(name) = path.file_name() else {
            return self.root(member);
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        for part in parent {
            match part.as_bytes().strip_prefix(b".wh.") {
                None => {}
                // What AUFS keeps for itself.
                Some(rest) if rest.starts_with(b".wh.") => return Ok(()),
                Some(_) => return Err(io::Error::other("it lies in a file that is removed")),
            }
        }
        match name.as_bytes().strip_prefix(b".wh.") {
            None => {}
            Some(b".wh..opq") => {
                let at = self.parent(parent)?;
                return self.tree.hide_all(&at);
            }
            Some(rest) if rest.starts_with(b".wh.") => return Ok(()),
            Some(b"" | b"." | b"..") => return Err(io::Error::other("it removes no file")),
            Some(rest) => {
                let at = self.parent(parent)?;
                return self.tree.hide(&at, OsStr::from_bytes(rest));
            }
        }
        self.put(member, &path, name, content)
    }

    /// Takes an entry for the root directory itself.
    fn root(&mut self, member: &Member) -> io::Result<()> {
        if member.kind() != Some(EntryType::Directory) {
            return Err(io::Error::other("it has no name"));
        }
        let attributes = attributes(member)?;
        let root = self.tree.directory(Path::new(""))?;
        self.tree.set(&root, Path::new(""), &attributes)
    }

    fn put(
        &mut self,
        member: &Member,
        path: &Path,
        name: &OsStr,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let unknown = || io::Error::other("it is of a kind that layers do not have");
        let kind = member.kind().ok_or_else(unknown)?;
        let at = self.parent(path.parent().unwrap_or(Path::new("")))?;
        let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
        if is_link && member.link.is_empty() {
            return Err(io::Error::other("it is a link to nothing"));
        }
        if kind == EntryType::Link {
            return self.hard_link(member, &at, name);
        }
        let attributes = attributes(member)?;
        match kind {
            EntryType::Directory => return self.directory(&at, path, name, &attributes),
            EntryType::Regular => self.tree.file(&at, name, content, &attributes)?,
            EntryType::Symlink => {
                let target = OsStr::from_bytes(&member.link);
                self.tree.symlink(&at, name, target, &attributes)?;
            }
            EntryType::Fifo => {
                self.tree
                    .special(&at, name, FileType::Fifo, (0, 0), &attributes)?;
            }
            kind => {
                let kind = if kind == EntryType::Block {
                    FileType::BlockDevice
                } else {
                    FileType::CharacterDevice
                };
                return self.device(&at, path, name, kind, member.device()?, &attributes);
            }
        }
        self.tree.known(&at).hidden.remove(name);
        Ok(())
    }

    fn directory(
        &mut self,
        at: &Directory,
        path: &Path,
        name: &OsStr,
        attributes: &Attributes,
    ) -> io::Result<()> {
        let new = self.tree.new_directory(at, path, name, attributes)?;
        if new.is_some() {
            return Ok(());
        }
        match Tree::directory_at(at, name) {
            Ok(there) => self.tree.set(&there, path, attributes),
            Err(error) if is_not_directory(&error) => {
                self.directory_over(at, path, name, attributes)?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a directory where something else is. If that hides a directory below, the new one shows nothing of it.
    fn directory_over(
        &mut self,
        at: &Directory,
        path: &Path,
        name: &OsStr,
        attributes: &Attributes,
    ) -> io::Result<Directory> {
        let was_hidden = self.tree.known(at).hidden.remove(name);
        self.tree.clear(at, name)?;
        let new = self.tree.new_directory(at, path, name, attributes)?;
        let new = new.ok_or(io::ErrorKind::AlreadyExists)?;
        if was_hidden {
            self.tree.hide_all(&new)?;
        }
        Ok(new)
    }

    fn hard_link(&mut self, member: &Member, at: &Directory, name: &OsStr) -> io::Result<()> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, no_such_file(shown(&member.link)));
        let target = clean(&member.link)?;
        let file = target.file_name().ok_or_else(missing)?;
        let from = target.parent().unwrap_or(Path::new(""));
        let from = self.tree.directory(from).map_err(|error| {
            if is_not_directory(&error) || error.kind() == io::ErrorKind::NotFound {
                missing()
            } else {
                error
            }
        })?;
        if self.tree.known(&from).hidden.contains(file) {
            return Err(missing());
        }
        self.tree
            .hard_link((&from, file), at, name)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => missing(),
                _ => error,
            })?;
        self.tree.known(at).hidden.remove(name);
        Ok(())
    }

    fn device(
        &mut self,
        at: &Directory,
        path: &Path,
        name: &OsStr,
        kind: FileType,
        device: (u32, u32),
        attributes: &Attributes,
    ) -> io::Result<()> {
        // The layer of an engine in a container holds overlays of its own.
        if kind == FileType::CharacterDevice && device == (0, 0) {
            return self.tree.hide(at, name);
        }
        match self.tree.special(at, name, kind, device, attributes) {
            // An ordinary user makes none, and no container sees those of its layer in `/dev`.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && (self.tree.form != Form::Root || path.starts_with("dev")) =>
            {
                return Ok(());
            }
            made => made?,
        }
        self.tree.known(at).hidden.remove(name);
        Ok(())
    }

    /// Opens the directory of an entry, and makes what the archive left out of it.
    fn parent(&mut self, path: &Path) -> io::Result<Arc<Directory>> {
        match self.tree.directory(path) {
            Err(error) if is_missing(&error) => {}
            opened => return opened,
        }
        let mut at = self.tree.directory(Path::new(""))?;
        let mut so_far = PathBuf::new();
        for name in path {
            so_far.push(name);
            at = match self.tree.directory(&so_far) {
                Err(error) if is_missing(&error) => {
                    Arc::new(self.missing(&at, &so_far, name, &error)?)
                }
                opened => opened?,
            };
        }
        Ok(at)
    }

    fn missing(
        &mut self,
        at: &Directory,
        path: &Path,
        name: &OsStr,
        error: &io::Error,
    ) -> io::Result<Directory> {
        let plain = Attributes {
            mode: 0o755,
            uid: 0,
            gid: 0,
            time: Timespec::default(),
            extended: Vec::new(),
        };
        if let Some(new) = self.tree.new_directory(at, path, name, &plain)? {
            return Ok(new);
        }
        if self.tree.known(at).hidden.contains(name) {
            return self.directory_over(at, path, name, &plain);
        }
        // A file, or a link that leads nowhere.
        let path = shown(path.as_os_str().as_bytes());
        let text = format!("`{path}` in the layer is not a directory");
        Err(io::Error::new(error.kind(), text))
    }
}

fn attributes(member: &Member) -> io::Result<Attributes> {
    let number = |number: u64| {
        u32::try_from(number).map_err(|_| io::Error::other("its owner is out of range"))
    };
    Ok(Attributes {
        mode: member.mode()? & 0o7777,
        uid: number(member.uid()?)?,
        gid: number(member.gid()?)?,
        time: member.time()?,
        extended: member.extended.clone(),
    })
}

fn is_missing(error: &io::Error) -> bool {
    is_not_directory(error) || error.kind() == io::ErrorKind::NotFound
}
