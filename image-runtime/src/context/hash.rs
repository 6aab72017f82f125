//! Reads files and hashes them, on several threads where that pays.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::OFlags;

use super::ContextError;
use crate::digest::{Digest, Hasher};

/// Below this, starting a thread takes longer than what it would do.
const WORTH_A_THREAD: u64 = 256 * 1024;

/// A file to hash.
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) size: u64,
}

/// What a file held when it was read.
pub(super) struct Hashed {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// What the system said of it after the last byte was read.
    pub(super) metadata: Metadata,
}

/// Hashes files; the answers are in the order of the jobs.
pub(super) fn hash_all(jobs: &[Job]) -> Result<Vec<Hashed>, ContextError> {
    let bytes: u64 = jobs.iter().map(|job| job.size).sum();
    let worth = usize::try_from(bytes / WORTH_A_THREAD).unwrap_or(usize::MAX);
    let threads = match jobs.len().min(worth) {
        // Asking the system for its processors takes as long as hashing a few small files.
        0 | 1 => 1,
        most => thread::available_parallelism()
            .map_or(1, Into::into)
            .min(most),
    };

    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            done.push((index, hash(&job.path)?));
        }
        Ok(done)
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work()?;
        for other in others {
            done.append(
                &mut other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
            );
        }
        Ok(done)
    })?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, hashed)| hashed).collect())
}

fn hash(path: &Path) -> Result<Hashed, ContextError> {
    let read = || {
        let mut file = open(path)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Hashed {
            digest: hasher.finish(),
            size,
            metadata: file.metadata()?,
        })
    };
    read().map_err(|source| failed(path, source))
}

/// Opens a regular file, and nothing that took its place meanwhile: a link is not followed, a pipe is not waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("no longer a file"))
    }
}

/// The error of reading a file that was there a moment ago.
pub(super) fn failed(path: &Path, error: io::Error) -> ContextError {
    let path = path.to_owned();
    if error.kind() == io::ErrorKind::NotFound {
        ContextError::Vanished { path }
    } else {
        ContextError::Read {
            path,
            source: error,
        }
    }
}
