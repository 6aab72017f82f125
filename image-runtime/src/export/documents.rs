//! The documents that make an image of layers: its configuration and its manifest. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;
use crate::engine::PackedLayer;
use crate::plan::{Config, Healthcheck};
use crate::rfc3339::rfc3339;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The documents of one image, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    /// `linux/amd64`
    pub(super) platform: String,
}

/// Names some content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
struct ImageFile<'a> {
    created: String,
    architecture: &'a str,
    os: &'a str,
    config: Surroundings<'a>,
    rootfs: Rootfs,
    history: Vec<History<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Surroundings<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    env: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    working_dir: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    shell: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, Nothing>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<&'a str, Nothing>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stop_signal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<&'a Healthcheck>,
}

/// `{}`: names of ports and volumes are keys.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Rootfs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: String,
    created_by: &'a str,
    comment: &'static str,
}

impl Documents {
    pub(super) fn of(config: &Config, platform: &str, layers: &[PackedLayer]) -> Self {
        let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
        let newest = layers.iter().map(|layer| layer.newest).max().unwrap_or(0);
        let file = ImageFile {
            // When it was really made is not the same everywhere.
            created: rfc3339(newest),
            architecture,
            os,
            config: Surroundings {
                user: &config.user,
                env: config
                    .env
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
                entrypoint: &config.entrypoint,
                cmd: &config.cmd,
                working_dir: &config.workdir,
                shell: &config.shell,
                labels: config
                    .labels
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect(),
                exposed_ports: keys(&config.exposed),
                volumes: keys(&config.volumes),
                stop_signal: &config.stop_signal,
                healthcheck: config.healthcheck.as_ref(),
            },
            rootfs: Rootfs {
                kind: "layers",
                diff_ids: layers.iter().map(|layer| named(&layer.diff_id)).collect(),
            },
            history: layers
                .iter()
                .map(|layer| History {
                    created: rfc3339(layer.newest),
                    created_by: &layer.title,
                    comment: "image-runtime",
                })
                .collect(),
        };
        let config = json(&file);
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST,
            config: described(CONFIG, &config),
            layers: layers
                .iter()
                .map(|layer| Descriptor {
                    media_type: LAYER,
                    digest: named(&layer.digest),
                    size: layer.size,
                })
                .collect(),
        };
        Self {
            manifest: json(&manifest),
            config,
            platform: platform.to_owned(),
        }
    }

    /// The digest of the image: that of its manifest.
    pub(super) fn digest(&self) -> String {
        named(&Digest::of(&self.manifest))
    }
}

fn keys(names: &[String]) -> BTreeMap<&str, Nothing> {
    names.iter().map(|name| (&**name, Nothing {})).collect()
}

fn described(media_type: &'static str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type,
        digest: named(&Digest::of(bytes)),
        size: bytes.len() as u64,
    }
}

pub(super) fn named(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

pub(super) fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("documents have string keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_its_layers_and_its_configuration() {
        let config = Config {
            env: vec![("A".to_owned(), "b=c".to_owned())],
            workdir: "/srv".to_owned(),
            cmd: vec!["serve".to_owned()],
            ..Config::default()
        };
        let layer = PackedLayer {
            title: "copy_local_file(a)".to_owned(),
            digest: Digest::of(b"packed"),
            size: 6,
            diff_id: Digest::of(b"unpacked"),
            newest: 1_709_251_200,
        };
        let documents = Documents::of(&config, "linux/amd64", &[layer]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let expected = format!(
            r#"{{"created":"2024-03-01T00:00:00Z","architecture":"amd64","os":"linux","config":{{"Env":["A=b=c"],"Cmd":["serve"],"WorkingDir":"/srv"}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}},"history":[{{"created":"2024-03-01T00:00:00Z","created_by":"copy_local_file(a)","comment":"image-runtime"}}]}}"#,
            Digest::of(b"unpacked"),
        );
        assert_eq!(text(documents.config.clone()), expected);
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"{CONFIG}","digest":"sha256:{}","size":{}}},"layers":[{{"mediaType":"{LAYER}","digest":"sha256:{}","size":6}}]}}"#,
            Digest::of(&documents.config),
            documents.config.len(),
            Digest::of(b"packed"),
        );
        assert_eq!(text(documents.manifest), expected);
    }
}
