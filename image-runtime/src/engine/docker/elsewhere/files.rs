//! Files as they are here become archives, and archives of what containers wrote become files.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

/// An archive in which files lie as they do here: names of the same file stay names of one, which `append_dir_all` of the crate knows nothing
/// of, and sockets are left out, since nobody reaches one through a copy.
pub(super) struct Files<W: Write> {
    tar: tar::Builder<W>,
    /// Files of several names: where they are in the archive.
    known: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Files<W> {
    pub(super) fn new(to: W) -> Self {
        let mut tar = tar::Builder::new(to);
        tar.follow_symlinks(false);
        // Docker knows no sparse files.
        tar.sparse(false);
        Self {
            tar,
            known: HashMap::new(),
        }
    }

    /// Puts a file, or a directory with all that is in it. Only the source itself may be a link, which is followed.
    pub(super) fn put(&mut self, name: &Path, source: &Path) -> io::Result<()> {
        let real = fs::canonicalize(source).map_err(|error| AtPath::wrap(source, error))?;
        self.put_below(name, &real)
    }

    /// Puts what is in a directory.
    pub(super) fn put_content(&mut self, source: &Path) -> io::Result<()> {
        let wrap = |error| AtPath::wrap(source, error);
        for entry in fs::read_dir(source).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            self.put_below(Path::new(&entry.file_name()), &entry.path())?;
        }
        Ok(())
    }

    /// Puts a directory, and nothing in it.
    pub(super) fn put_directory(&mut self, name: &Path, source: &Path) -> io::Result<()> {
        let put = self.tar.append_dir(name, source);
        put.map_err(|error| AtPath::wrap(source, error))
    }

    fn put_below(&mut self, name: &Path, source: &Path) -> io::Result<()> {
        self.put_one(name, source)
            .map_err(|error| match error.get_ref() {
                Some(inner) if inner.is::<AtPath>() => error,
                _ => AtPath::wrap(source, error),
            })
    }

    fn put_one(&mut self, name: &Path, source: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(source)?;
        if metadata.is_dir() {
            self.tar.append_dir(name, source)?;
            for entry in fs::read_dir(source)? {
                let entry = entry?;
                self.put_below(&name.join(entry.file_name()), &entry.path())?;
            }
            return Ok(());
        }
        if metadata.file_type().is_socket() {
            return Ok(());
        }
        match self.first_name(name, &metadata) {
            Some(first) => {
                let mut header = tar::Header::new_gnu();
                header.set_metadata(&metadata);
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                self.tar.append_link(&mut header, name, first)
            }
            None => self.tar.append_path_with_name(source, name),
        }
    }

    /// The name by which a file is in the archive already.
    fn first_name(&mut self, name: &Path, metadata: &Metadata) -> Option<PathBuf> {
        if !metadata.is_file() || metadata.nlink() < 2 {
            return None;
        }
        match self.known.entry((metadata.dev(), metadata.ino())) {
            Occupied(first) => Some(first.get().clone()),
            Vacant(vacant) => {
                vacant.insert(name.to_owned());
                None
            }
        }
    }

    /// Puts a directory that belongs to root, and nothing in it.
    pub(super) fn put_empty_directory(&mut self, name: &Path) -> io::Result<()> {
        self.put_empty(name, tar::EntryType::Directory, 0o755)
    }

    /// Puts a file that belongs to root, and nothing in it.
    pub(super) fn put_empty_file(&mut self, name: &str) -> io::Result<()> {
        self.put_empty(Path::new(name), tar::EntryType::Regular, 0o444)
    }

    fn put_empty(&mut self, name: &Path, kind: tar::EntryType, mode: u32) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(0);
        self.tar.append_data(&mut header, name, io::empty())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.tar.finish()
    }
}

/// What went wrong with a file, and which it was.
#[derive(Debug, thiserror::Error)]
#[error("cannot send `{}`: {}", .0.display(), .1)]
struct AtPath(PathBuf, io::Error);

impl AtPath {
    fn wrap(path: &Path, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self(path.to_owned(), error))
    }
}

/// Takes the files at the top of a directory that was packed, and nothing else: what is in the archive is a container's.
pub(super) fn unpack(archive: impl Read, to: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let path = entry.path()?.into_owned();
        let parts: Vec<_> = path.components().collect();
        if let [Component::Normal(_), Component::Normal(name)] = parts[..] {
            io::copy(&mut entry, &mut File::create(to.join(name))?)?;
        }
    }
    Ok(())
}

/// Reads what comes in pieces.
pub(super) struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Pieces {
    pub(super) fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            pieces,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(members: &[(&str, tar::EntryType)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind) in members {
            let mut header = tar::Header::new_gnu();
            // As no honest archive has it.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(4);
            header.set_cksum();
            tar.append(&header, &b"text"[..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn only_files_at_the_top_come_back() {
        use tar::EntryType::{Directory, Regular, Symlink};
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        let members = [
            ("returned/one", Regular),
            ("returned/deep/two", Regular),
            ("returned/link", Symlink),
            ("returned/directory", Directory),
            ("returned/../../three", Regular),
            ("../four", Regular),
            ("/five", Regular),
            ("six", Regular),
        ];
        unpack(&archive(&members)[..], &to).unwrap();
        let names = |path: &Path| -> Vec<_> {
            let listed = fs::read_dir(path).unwrap();
            listed.map(|entry| entry.unwrap().file_name()).collect()
        };
        assert_eq!(names(&to), ["one"]);
        assert_eq!(names(folder.path()), ["to"]);
        assert_eq!(fs::read(to.join("one")).unwrap(), b"text");
    }

    #[test]
    fn what_cannot_be_read_is_named_once() {
        let folder = tempfile::tempdir().unwrap();
        // A link is sent as one, wherever it leads.
        std::os::unix::fs::symlink("/nowhere", folder.path().join("link")).unwrap();
        let mut files = Files::new(io::sink());
        files.put(Path::new("sent"), folder.path()).unwrap();
        // The first is there, and nothing can be read at its beginning.
        let memory = format!("/proc/{}/mem", std::process::id());
        for source in [memory.as_str(), "/nowhere"] {
            let error = files.put(Path::new("sent"), Path::new(source)).unwrap_err();
            let text = error.to_string();
            assert_eq!(text.matches(source).count(), 1, "{text}");
        }
    }
}
