//! What is known of files without reading them: digests by what the system says of a file.
//!
//! One file of the store for each root. It is a sequence of records of 96 bytes, sorted: eight numbers of 8 bytes, big endian (device,
//! inode, size, modified and changed as seconds and nanoseconds, mode), and the content's SHA-256. It is looked up as it lies.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::digest::Digest;
use crate::store::Folder;

/// Changes closer together than this may leave a file with the same times: some file systems count in steps of 2 s.
const TIME_STEP: i128 = 2_000_000_000;

const STAMP: usize = 64;
const RECORD: usize = STAMP + 32;

/// What changes whenever a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp([u8; STAMP]);

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let numbers = [
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
            metadata.mode().into(),
        ];
        let mut stamp = [0; STAMP];
        for (field, number) in stamp.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        Self(stamp)
    }
}

/// Whether a file that was hashed at `now` would show by its times that it was written to later.
pub(super) fn is_settled(metadata: &Metadata, now: SystemTime) -> bool {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let modified = nanoseconds(metadata.mtime(), metadata.mtime_nsec());
    let changed = nanoseconds(metadata.ctime(), metadata.ctime_nsec());
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_nanos().cast_signed());
    modified.max(changed) + TIME_STEP < now
}

/// The digests that are known of one root.
#[derive(Debug, Default)]
pub(super) struct StatCache {
    records: Vec<u8>,
}

impl StatCache {
    /// What the store holds of a root; nothing if that is damaged.
    pub(super) fn load(trees: &Folder, root: &Path) -> Self {
        let records = trees.read(&file_name(root)).unwrap_or_default();
        if records.len().is_multiple_of(RECORD) {
            Self { records }
        } else {
            Self::default()
        }
    }

    /// Of these files.
    pub(super) fn of(mut files: Vec<(Stamp, Digest)>) -> Self {
        files.sort_unstable_by_key(|(stamp, _)| *stamp);
        files.dedup_by_key(|(stamp, _)| *stamp);
        let mut records = Vec::with_capacity(files.len() * RECORD);
        for (stamp, digest) in &files {
            records.extend_from_slice(&stamp.0);
            records.extend_from_slice(digest.as_bytes());
        }
        Self { records }
    }

    /// The digest of a file.
    pub(super) fn get(&self, stamp: &Stamp) -> Option<Digest> {
        let (mut low, mut high) = (0, self.records.len() / RECORD);
        while low < high {
            let middle = low + (high - low) / 2;
            let (there, digest) = self.records[middle * RECORD..][..RECORD].split_at(STAMP);
            match there.cmp(&stamp.0) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    return Some(Digest::from_bytes(digest.try_into().ok()?));
                }
            }
        }
        None
    }

    /// How many files are known.
    pub(super) fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    /// Keeps it for the next run.
    pub(super) fn save(&self, trees: &Folder, root: &Path) {
        // A cache that cannot be kept costs time only; whatever must be kept says why it cannot.
        let _ = trees.write_cache(&file_name(root), &self.records);
    }
}

fn file_name(root: &Path) -> String {
    Digest::of(root.as_os_str().as_encoded_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u8) -> Stamp {
        Stamp([number; STAMP])
    }

    #[test]
    fn every_file_that_was_put_in_is_found_and_no_other() {
        let files: Vec<_> = (0..100)
            .rev()
            .map(|n| (stamp(2 * n), Digest::of(&[n])))
            .collect();
        let cache = StatCache::of(files);
        assert_eq!(cache.len(), 100);
        for n in 0..100 {
            assert_eq!(cache.get(&stamp(2 * n)), Some(Digest::of(&[n])));
            assert_eq!(cache.get(&stamp(2 * n + 1)), None);
        }
        assert_eq!(StatCache::default().get(&stamp(0)), None);
    }

    #[test]
    fn a_cut_cache_counts_as_empty() {
        let root = tempfile::tempdir().unwrap();
        let trees = crate::store::Store::at(root.path()).unwrap().trees();
        StatCache::of(vec![(stamp(1), Digest::of(b"a"))]).save(&trees, Path::new("/x"));
        assert_eq!(StatCache::load(&trees, Path::new("/x")).len(), 1);
        assert_eq!(StatCache::load(&trees, Path::new("/y")).len(), 0);
        trees
            .write_cache(&file_name(Path::new("/x")), &[0; RECORD + 1])
            .unwrap();
        assert_eq!(StatCache::load(&trees, Path::new("/x")).len(), 0);
    }
}
