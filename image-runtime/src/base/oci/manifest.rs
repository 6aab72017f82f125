//! Manifests and indexes, in the media types of OCI and of Docker, and the configuration of an image.

use serde::Deserialize;

use super::failure::Failure;
use super::platform::Platform;
use crate::digest::Digest;
use crate::spec::ImageConfig;

/// The most bytes of a manifest, an index or a configuration. Registries take manifests of 4 MiB.
pub(super) const DOCUMENT_LIMIT: u64 = 8 * 1024 * 1024;

const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// Layers that are tar archives; what unpacks them looks at their bytes to see how they are compressed.
const LAYERS: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];
const COMPRESSIONS: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];

/// What is accepted where a manifest is asked for.
pub(super) fn accepted() -> String {
    [INDEXES, MANIFESTS].concat().join(", ")
}

/// Names some content.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
}

impl Descriptor {
    /// Its digest, where that is one that we can verify.
    pub(super) fn sha256(&self) -> Result<Digest, Failure> {
        sha256(&self.digest)
    }
}

/// Reads `sha256:…`.
pub(super) fn sha256(text: &str) -> Result<Digest, Failure> {
    text.strip_prefix("sha256:")
        .and_then(|hex| hex.parse().ok())
        .ok_or_else(|| {
            let start: String = text.escape_default().take(80).collect();
            Failure::wrong(format!("`{start}` is not a SHA-256 digest"))
        })
}

/// What a digest or a tag of a registry names.
#[derive(Debug)]
pub(super) enum Document {
    /// Images of several platforms.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// One image.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl Document {
    /// Reads a document. What it is must be clear from it alone, whatever the registry calls it: the digest covers its bytes
    /// and no header.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| Failure::wrong(format!("its manifest is malformed: {error}")))?;
        if raw.schema_version != 2 {
            return Err(Failure::missing(format!(
                "its manifest is of version {}, which is no longer used: push it again with a newer Docker",
                raw.schema_version
            )));
        }
        let called = |known: &[&str]| {
            let called = raw.media_type.as_deref();
            called.is_none_or(|called| known.contains(&called))
        };
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if called(&INDEXES) => Ok(Self::Index(manifests)),
            (None, Some(config), Some(layers)) if called(&MANIFESTS) => {
                Manifest { config, layers }.checked().map(Self::Manifest)
            }
            _ => Err(Failure::wrong(
                "its manifest is neither that of an image nor an index of images",
            )),
        }
    }
}

impl Manifest {
    /// Refuses what is no image with a file system.
    fn checked(self) -> Result<Self, Failure> {
        let of = &self.config.media_type;
        if !CONFIGS.contains(&of.as_str()) {
            let of = of.escape_default();
            return Err(Failure::missing(format!(
                "it is no container image but holds `{of}`"
            )));
        }
        for layer in &self.layers {
            if !is_layer(&layer.media_type) {
                let kind = layer.media_type.escape_default();
                return Err(Failure::missing(format!(
                    "it has a layer of the unknown kind `{kind}`"
                )));
            }
        }
        let sizes = self.layers.iter().map(|layer| layer.size);
        if self.config.size > DOCUMENT_LIMIT || sizes.fold(0, u64::saturating_add) == u64::MAX {
            return Err(Failure::wrong("its manifest names an impossible size"));
        }
        Ok(self)
    }
}

fn is_layer(media_type: &str) -> bool {
    LAYERS.iter().any(|known| {
        media_type
            .strip_prefix(known)
            .is_some_and(|rest| COMPRESSIONS.contains(&rest))
    })
}

/// What the configuration of an image says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageFile {
    pub(super) config: ImageConfig,
    /// Of the unpacked layers, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct RawImageFile {
    #[serde(flatten)]
    platform: Platform,
    config: Option<RawConfig>,
    rootfs: Option<RawRootfs>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawConfig {
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    shell: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RawRootfs {
    diff_ids: Option<Vec<String>>,
}

impl ImageFile {
    /// Reads the configuration of an image with so many layers, for a platform.
    pub(super) fn parse(bytes: &[u8], layers: usize, here: &Platform) -> Result<Self, Failure> {
        let raw: RawImageFile = serde_json::from_slice(bytes)
            .map_err(|error| Failure::wrong(format!("its configuration is malformed: {error}")))?;
        if !raw.platform.architecture.is_empty() && !here.tolerates(&raw.platform) {
            return Err(Failure::missing(format!(
                "it is an image of {}, and this is {here}",
                raw.platform
            )));
        }
        let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids);
        let diff_ids: Vec<Digest> = diff_ids
            .unwrap_or_default()
            .iter()
            .map(|text| sha256(text))
            .collect::<Result<_, _>>()?;
        if diff_ids.len() != layers {
            return Err(Failure::wrong(format!(
                "its configuration knows {} layers, its manifest {layers}",
                diff_ids.len()
            )));
        }
        let config = raw.config.unwrap_or_default();
        let config = ImageConfig {
            env: config
                .env
                .unwrap_or_default()
                .iter()
                .filter_map(|variable| variable.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            workdir: config.working_dir.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            cmd: config.cmd.unwrap_or_default(),
            shell: config.shell.unwrap_or_default(),
        };
        Ok(Self { config, diff_ids })
    }
}
