//! Packs files of the image into an archive that the host reads: what a `COPY --from` takes, or what is at a few paths.
//!
//! The archive is a tar of what was asked for, numbered in order: `0/file/NAME` is a file, `1/directory/…` what a directory holds.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use crate::context::copied;

/// What a [`Command`](crate::protocol::Command) names to have this done: no program, the worker itself. The arguments are
/// [`DEEP`] or [`FLAT`], where the archive goes, and absolute paths or patterns.
pub(crate) const PACK: &str = "/dev/image-runtime/pack";

/// With all that directories hold; what is not there is an error.
pub(crate) const DEEP: &str = "deep";

/// Directories without what they hold; what is not there is left out.
pub(crate) const FLAT: &str = "flat";

/// Does it.
pub(super) fn pack(arguments: &[String]) -> io::Result<()> {
    let [depth, to, wanted @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let deep = depth == DEEP;
    let mut packer = Packer {
        tar: Builder::new(io::BufWriter::new(File::create(to)?)),
        mounts: mount_points(),
        links: HashMap::new(),
    };
    let root = Path::new("/");
    for (number, pattern) in wanted.iter().enumerate() {
        let paths = copied::matches(root, pattern).map_err(io::Error::other)?;
        let mut found = false;
        for path in paths {
            let path = root.join(path);
            // A link that was named itself is followed.
            let Ok(real) = fs::canonicalize(&path) else {
                continue;
            };
            found = true;
            // What is copied on its own shares no file with the rest.
            packer.links.clear();
            let prefix = PathBuf::from(number.to_string());
            if real.is_dir() {
                packer.directory(&real, &prefix.join("directory"), deep)?;
            } else {
                let name = path.file_name().unwrap_or_default();
                packer.entry(
                    &real,
                    &prefix.join("file").join(name),
                    &fs::metadata(&real)?,
                )?;
            }
        }
        if deep && !found {
            return Err(io::Error::other(format!(
                "there is no `{pattern}` in the image"
            )));
        }
    }
    packer.tar.into_inner()?.flush()
}

struct Packer {
    tar: Builder<io::BufWriter<File>>,
    /// What the engine put there.
    mounts: HashSet<PathBuf>,
    /// Where files of several names were packed.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Packer {
    /// A directory and what it holds: a stack, so that no depth can exhaust the thread's.
    fn directory(&mut self, from: &Path, to: &Path, deep: bool) -> io::Result<()> {
        let mut pending = vec![(from.to_owned(), to.to_owned())];
        while let Some((path, name)) = pending.pop() {
            let metadata = fs::symlink_metadata(&path)?;
            let is_mount = path != Path::new("/") && self.mounts.contains(&path);
            if is_mount && !metadata.is_dir() {
                continue;
            }
            self.entry(&path, &name, &metadata)?;
            if !metadata.is_dir() || is_mount || !deep {
                continue;
            }
            let mut names = fs::read_dir(&path)?
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort_unstable();
            let children = names.into_iter().rev();
            pending.extend(children.map(|child| (path.join(&child), name.join(&child))));
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &Path, metadata: &Metadata) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(metadata.mode() & 0o7777);
        header.set_uid(metadata.uid().into());
        header.set_gid(metadata.gid().into());
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        header.set_size(0);
        let kind = metadata.file_type();
        if kind.is_symlink() {
            header.set_entry_type(EntryType::Symlink);
            return self
                .tar
                .append_link(&mut header, name, fs::read_link(path)?);
        }
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            return self.tar.append_data(&mut header, name, io::empty());
        }
        if kind.is_fifo() {
            header.set_entry_type(EntryType::Fifo);
            return self.tar.append_data(&mut header, name, io::empty());
        }
        if !kind.is_file() {
            return Err(io::Error::other(format!("`{}` is no file", path.display())));
        }
        let inode = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1
            && let Some(first) = self.links.get(&inode)
        {
            header.set_entry_type(EntryType::Link);
            return self.tar.append_link(&mut header, name, first);
        }
        self.links.insert(inode, name.to_owned());
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        self.tar.append_data(&mut header, name, File::open(path)?)
    }
}

/// Where something is mounted; nothing where that cannot be told.
fn mount_points() -> HashSet<PathBuf> {
    let listed = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = listed.lines().filter_map(|line| line.split(' ').nth(4));
    places.map(PathBuf::from).collect()
}
