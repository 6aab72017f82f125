//! Images leave the store: as files that other tools take, and to registries.
//!
//! The layers are the engine's; what makes an image of them is written here. It depends on nothing but the layers and the
//! definition, so the same image has the same digest wherever it is exported.

mod documents;
mod files;
mod registry;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::base::oci;
use crate::build::Built;
use crate::engine::{Engine, EngineError};
use documents::Documents;
use files::Files;
use registry::Registry;

/// What is being done, in a word, and how far it is: bytes done and bytes in all (0 where unknown).
pub(crate) type Progress<'a> = dyn Fn(&'static str, u64, u64) + Send + Sync + 'a;

/// An image that was written or pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Of its manifest: `sha256:…`.
    pub(crate) digest: String,
    /// How many layers it has.
    pub(crate) layers: usize,
    /// How many of them were sent or written.
    pub(crate) moved: usize,
    /// Bytes of its layers, packed.
    pub(crate) size: u64,
}

/// Writes an image to a path: one archive where that ends in `.tar`, else the directory of an OCI layout.
pub(crate) async fn to_files(
    engine: &dyn Engine,
    built: &Built,
    path: &Path,
    name: Option<&str>,
    progress: &Progress<'_>,
) -> Result<Exported, EngineError> {
    let platform = engine.info().await?.platform;
    let files = Files::create(path)?;
    let packing = |done, total| progress("packing", done, total);
    let layers = engine.export(&built.layer, &files, &packing).await?;
    let documents = Documents::of(&built.config, &platform, &layers);
    files.finish(&documents, &layers, name).await?;
    let digests: HashSet<_> = layers.iter().map(|layer| layer.digest).collect();
    Ok(Exported {
        digest: documents.digest(),
        layers: layers.len(),
        moved: digests.len(),
        size: layers.iter().map(|layer| layer.size).sum(),
    })
}

/// Pushes an image to a registry, without what is there already.
pub(crate) async fn to_registry(
    engine: &dyn Engine,
    built: &Built,
    client: &oci::Client,
    reference: &str,
    progress: &Progress<'_>,
) -> Result<Exported, EngineError> {
    let platform = engine.info().await?.platform;
    let registry = Registry::new(client.push(reference)?, progress);
    registry.check().await?;
    let packing = |done, total| {
        // What is sent is the slower part, once it has begun.
        if registry.sent.load(Ordering::Relaxed) == 0 {
            progress("packing", done, total);
        }
    };
    let layers = engine.export(&built.layer, &registry, &packing).await?;
    let documents = Documents::of(&built.config, &platform, &layers);
    let digest = registry.finish(&documents).await?;
    Ok(Exported {
        digest,
        layers: layers.len(),
        moved: registry.layers.load(Ordering::Relaxed),
        size: layers.iter().map(|layer| layer.size).sum(),
    })
}
