//! Layers on their way out of an engine, in the form that registries and other engines take.

use std::path::Path;

use async_trait::async_trait;

use super::EngineError;
use crate::digest::Digest;

/// A layer as a file: a tar archive, packed by gzip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedLayer {
    /// What it is, for people.
    pub title: String,
    /// Of the file.
    pub digest: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// Of the archive in it.
    pub diff_id: Digest,
    /// The newest time of a file in it, in seconds since 1970: unlike the time when the layer was made, it is the same
    /// for the same files.
    pub newest: u64,
}

/// Takes packed layers, one at a time, the lowest first.
#[async_trait]
pub trait LayerSink: Send + Sync {
    /// Whether it has this layer already, so that it need not be packed again. Asked where the engine knows before.
    ///
    /// # Errors
    /// What it would have to take layers for does not work.
    async fn has(&self, layer: &PackedLayer) -> Result<bool, EngineError>;

    /// Takes the file of a layer. The file may be moved away; afterwards it is removed.
    ///
    /// # Errors
    /// It could not be taken.
    async fn take(&self, layer: &PackedLayer, file: &Path) -> Result<(), EngineError>;
}
