//! A file that is still arriving: `<sha256>.part`, locked by who fills it, and left for the next one if that is interrupted.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};

use super::{DownloadError, Wanted};
use crate::digest::Digest;
use crate::store::StoreError;

/// A partial file and the hash of what it holds. The hash is ring's: its speed does not depend on the build profile.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    hash: Context,
    length: u64,
    resumed: bool,
}

impl Partial {
    /// Locks the partial file of a target, waiting for another process that fills it. Answers nothing where the target is there.
    pub(super) async fn open(
        target: &Path,
        wanted: &Wanted,
    ) -> Result<Option<Self>, DownloadError> {
        let (target, size) = (target.to_owned(), wanted.size);
        tokio::task::spawn_blocking(move || Self::open_blocking(&target, size))
            .await
            .expect("opening a file does not panic")
    }

    fn open_blocking(target: &Path, size: u64) -> Result<Option<Self>, DownloadError> {
        let path = target.with_extension("part");
        let disk = |source| StoreError::io("write", &path, source);
        let is_there = || target.metadata().is_ok_and(|there| there.len() == size);
        loop {
            if is_there() {
                return Ok(None);
            }
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(disk)?;
            file.lock().map_err(disk)?;
            // Whoever held the lock before may have renamed or removed what we opened.
            let ours = file.metadata().map_err(disk)?.ino();
            if path.metadata().is_ok_and(|there| there.ino() == ours) {
                // It may also have been finished before we opened, and made, this one.
                if is_there() {
                    std::fs::remove_file(&path).map_err(disk)?;
                    return Ok(None);
                }
                let mut partial = Self {
                    path,
                    file,
                    hash: Context::new(&SHA256),
                    length: 0,
                    resumed: false,
                };
                partial.take_over(size)?;
                return Ok(Some(partial));
            }
        }
    }

    /// Hashes what is there already, unless it is too much.
    fn take_over(&mut self, size: u64) -> Result<(), DownloadError> {
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let length = self
                .file
                .read(&mut chunk)
                .map_err(|source| self.disk(source))?;
            if length == 0 {
                break;
            }
            self.hash.update(&chunk[..length]);
            self.length += length as u64;
        }
        self.resumed = self.length > 0;
        if self.length > size {
            self.restart()
        } else {
            Ok(())
        }
    }

    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether some of it comes from an earlier process.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Throws away what is there.
    pub(super) fn restart(&mut self) -> Result<(), DownloadError> {
        self.file.set_len(0).map_err(|source| self.disk(source))?;
        self.file.rewind().map_err(|source| self.disk(source))?;
        self.hash = Context::new(&SHA256);
        self.length = 0;
        self.resumed = false;
        Ok(())
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.disk(source))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Checks the whole file and gives it its name. A wrong one is removed.
    pub(super) fn finish(&self, target: &Path, wanted: &Wanted) -> Result<(), DownloadError> {
        let bytes = self.hash.clone().finish();
        let got = Digest::from_bytes(bytes.as_ref().try_into().expect("a SHA-256 has 32 bytes"));
        if got == wanted.sha256 {
            return std::fs::rename(&self.path, target).map_err(|source| self.disk(source));
        }
        if !self.resumed {
            std::fs::remove_file(&self.path).map_err(|source| self.disk(source))?;
        }
        Err(DownloadError::WrongChecksum {
            url: wanted.url.clone(),
            got,
            expected: wanted.sha256,
        })
    }

    fn disk(&self, source: io::Error) -> DownloadError {
        StoreError::io("write", &self.path, source).into()
    }
}
