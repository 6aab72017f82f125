//! Files whose size nobody knows beforehand, and perhaps not their digest either: fetched in one go.

use std::io::Write as _;

use super::{DownloadError, Downloads, Tries};
use crate::digest::{Digest, Hasher};
use crate::store::{Store, StoreError};

impl Downloads {
    /// Has a file, and answers its SHA-256, which [`Downloads::path`] takes. `progress` is told the bytes that have arrived.
    ///
    /// # Errors
    /// [`DownloadError`]; [`DownloadError::WrongChecksum`] where it is another one than `expected`.
    pub async fn fetch(
        &self,
        store: &Store,
        url: &str,
        expected: Option<Digest>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Digest, DownloadError> {
        if let Some(sha256) = expected
            && self.path(&sha256).exists()
        {
            return Ok(sha256);
        }
        let mut tries = Tries::default();
        loop {
            match self.fetch_once(store, url, expected, progress).await {
                Err(error) if error.is_passing() && tries.again(false).await => {}
                done => return done,
            }
        }
    }

    async fn fetch_once(
        &self,
        store: &Store,
        url: &str,
        expected: Option<Digest>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Digest, DownloadError> {
        let mut source = self.open(url, 0).await?;
        // Gone with this value, or with the next sweep.
        let mut file = store.temp_file()?;
        let (mut hasher, mut length) = (Hasher::new(), 0);
        while let Some(chunk) = source.next().await? {
            hasher.update(&chunk);
            file.write_all(&chunk)
                .map_err(|error| StoreError::io("write", file.path(), error))?;
            length += chunk.len() as u64;
            progress(length);
        }
        let got = hasher.finish();
        if let Some(expected) = expected
            && expected != got
        {
            return Err(DownloadError::WrongChecksum {
                url: url.to_owned(),
                got,
                expected,
            });
        }
        let target = self.path(&got);
        let disk = |error| StoreError::io("write", &target, error);
        file.as_file().sync_all().map_err(disk)?;
        file.persist(&target).map_err(|error| disk(error.error))?;
        Ok(got)
    }
}
