//! Takes layers to a registry.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::Progress;
use super::documents::{Documents, MANIFEST};
use crate::base::oci::{Blob, Push};
use crate::digest::Digest;
use crate::engine::{EngineError, LayerSink, PackedLayer};

/// An image on its way to a registry.
pub(super) struct Registry<'a> {
    push: Push,
    progress: &'a Progress<'a>,
    /// Layers that were sent.
    pub(super) layers: AtomicUsize,
    /// Bytes of them.
    pub(super) sent: AtomicU64,
}

impl<'a> Registry<'a> {
    pub(super) fn new(push: Push, progress: &'a Progress<'a>) -> Self {
        Self {
            push,
            progress,
            layers: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// Asks for something, so that a registry that is not there is told before anything is packed for it.
    pub(super) async fn check(&self) -> Result<(), EngineError> {
        self.push.has(&Digest::of(b"")).await.map(drop)
    }

    /// Sends what names the layers; answers the digest of the image.
    pub(super) async fn finish(&self, documents: &Documents) -> Result<String, EngineError> {
        let Documents {
            config, manifest, ..
        } = documents;
        let digest = Digest::of(config);
        if !self.push.has(&digest).await? {
            let (size, blob) = (config.len() as u64, Blob::Bytes(config));
            self.push.blob(&digest, size, blob, &|_| {}).await?;
        }
        self.push.manifest(MANIFEST, manifest).await
    }
}

#[async_trait]
impl LayerSink for Registry<'_> {
    async fn has(&self, layer: &PackedLayer) -> Result<bool, EngineError> {
        self.push.has(&layer.digest).await
    }

    async fn take(&self, layer: &PackedLayer, file: &Path) -> Result<(), EngineError> {
        if self.push.has(&layer.digest).await? {
            return Ok(());
        }
        let before = self.sent.load(Ordering::Relaxed);
        let sent = |bytes| {
            self.sent.store(before + bytes, Ordering::Relaxed);
            (self.progress)("uploading", before + bytes, 0);
        };
        let blob = Blob::File(file);
        self.push
            .blob(&layer.digest, layer.size, blob, &sent)
            .await?;
        self.layers.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
