//! Writes an archive into a packed file, and digests both on the way.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Compression, GzBuilder};

use crate::digest::{Digest, Hasher};

const BUFFER: usize = 128 * 1024;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    /// Of the file.
    pub(super) digest: Digest,
    /// Bytes of the file.
    pub(super) size: u64,
    /// Of the archive in it.
    pub(super) diff_id: Digest,
    /// What `archive` answered.
    pub(super) newest: u64,
}

/// Makes a file of what `archive` writes. `done` counts the bytes of the archive.
pub(super) fn pack(
    target: &Path,
    done: &AtomicU64,
    archive: impl FnOnce(&mut dyn Write) -> io::Result<u64>,
) -> io::Result<Packing> {
    let file = File::create_new(target)?;
    let file = Digesting::new(BufWriter::with_capacity(BUFFER, file));
    // No name and no time in its header.
    let gzip = GzBuilder::new().write(file, Compression::fast());
    let mut unpacked = Digesting::new(Counting { inner: gzip, done });
    let newest = archive(&mut unpacked)?;
    let (unpacked, diff_id, _) = unpacked.finish();
    let (mut file, digest, size) = unpacked.inner.finish()?.finish();
    file.flush()?;
    Ok(Packing {
        digest,
        size,
        diff_id,
        newest,
    })
}

/// Digests and counts what is written through it.
pub(super) struct Digesting<W> {
    inner: W,
    hasher: Hasher,
    written: u64,
}

impl<W> Digesting<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
            written: 0,
        }
    }

    /// What was written to, the digest of the bytes, and how many they are.
    pub(super) fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.written)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Counts for others what is written through it.
struct Counting<'a, W> {
    inner: W,
    done: &'a AtomicU64,
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.done.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
