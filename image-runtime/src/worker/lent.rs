//! Links to what a command is lent, and values of secrets: made before it, gone after it. Caches that are one's at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What a [`Command`](crate::protocol::Command) names to have links made: paths and where they lead, one after the other.
pub(crate) const LINK: &str = "/dev/image-runtime/link";

/// Removes them.
pub(crate) const UNLINK: &str = "/dev/image-runtime/unlink";

/// Writes the value of the variable `VALUE` into a file.
pub(crate) const SECRET: &str = "/dev/image-runtime/secret";

/// Waits until nobody else uses these directories, and keeps others from them until this process ends.
pub(crate) const HOLD: &str = "/dev/image-runtime/hold";

/// The directories that are held.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// The directories that were made for links.
static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

pub(super) fn link(pairs: &[String]) -> io::Result<()> {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    for pair in pairs.chunks_exact(2) {
        let (path, to) = (Path::new(&pair[0]), &pair[1]);
        let above: Vec<_> = path
            .ancestors()
            .skip(1)
            .take_while(|path| !path.exists())
            .collect();
        let failed = |error| {
            io::Error::other(format!(
                "`{}` cannot be shown: {error}; make it in an earlier `RUN`",
                path.display()
            ))
        };
        for directory in above.into_iter().rev() {
            fs::create_dir(directory).map_err(failed)?;
            made.push(directory.to_owned());
        }
        symlink(to, path).map_err(failed)?;
    }
    Ok(())
}

/// What the command put in their place stays.
pub(super) fn unlink(pairs: &[String]) -> io::Result<()> {
    for pair in pairs.chunks_exact(2) {
        if fs::read_link(&pair[0]).is_ok_and(|to| to == Path::new(&pair[1])) {
            fs::remove_file(&pair[0])?;
        }
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    for directory in made.drain(..).rev() {
        // One that holds something now is part of the layer.
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

/// Containers of other programs see the same directories, so the kernel's lock of the directory itself is one for all.
pub(super) fn hold(directories: &[String]) -> io::Result<()> {
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    for directory in directories {
        let lock = || {
            let directory = File::open(directory)?;
            directory.lock()?;
            io::Result::Ok(directory)
        };
        let locked = lock().map_err(|error| {
            io::Error::other(format!(
                "the cache at `{directory}` cannot be locked: {error}"
            ))
        });
        held.push(locked?);
    }
    Ok(())
}

pub(super) fn keep_secret(arguments: &[String], env: &[(String, String)]) -> io::Result<()> {
    let file = arguments.first().ok_or(io::ErrorKind::InvalidInput)?;
    let value = env.iter().find(|(name, _)| name == "VALUE");
    let (_, value) = value.ok_or(io::ErrorKind::InvalidInput)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(file)?;
    file.write_all(value.as_bytes())
}
