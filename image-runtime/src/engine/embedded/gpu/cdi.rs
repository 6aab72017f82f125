//! The Container Device Interface: files that say what a device takes, which `nvidia-ctk cdi generate` writes.
//!
//! <https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md>. Hooks are not run: what NVIDIA's do (links beside
//! libraries, the loader's cache) is done here for every library ([`Driver::library`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Driver;
use crate::gpu::Gpu;

/// The kind of device that is looked for.
const KIND: &str = "nvidia.com/gpu";

/// A specification.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Specification {
    kind: String,
    #[serde(default)]
    devices: Vec<Device>,
    #[serde(default)]
    container_edits: Edits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    name: Name,
    #[serde(default)]
    container_edits: Edits,
}

/// YAML takes the name `0` for a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Number(u64),
    Text(String),
}

impl Name {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Number(number) => number.to_string() == name,
            Self::Text(text) => text == name,
        }
    }
}

/// What is changed in a container.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<DeviceNode>,
    mounts: Vec<Mount>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceNode {
    path: String,
    #[serde(default)]
    host_path: Option<PathBuf>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    host_path: PathBuf,
    container_path: String,
}

/// What the specifications in these folders say of the GPUs; nothing where there are none, or where one of the GPUs is in none.
pub(super) fn driver(folders: &[&Path], gpus: &[Gpu]) -> io::Result<Option<Driver>> {
    let mut all = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let ending = path.extension().and_then(|ending| ending.to_str());
                matches!(ending, Some("json" | "yaml" | "yml"))
            })
            .collect();
        paths.sort();
        for path in paths {
            all.extend(read(&path)?);
        }
    }
    let mut edits = Vec::new();
    for gpu in gpus {
        // By their identities they are named only where that was asked for.
        let index = gpu.index.to_string();
        let find = |name: &str| {
            all.iter().find_map(|specification| {
                let mut devices = specification.devices.iter();
                let device = devices.find(|device| device.name.is(name))?;
                Some([&specification.container_edits, &device.container_edits])
            })
        };
        let Some(found) = find(&gpu.uuid).or_else(|| find(&index)) else {
            return Ok(None);
        };
        edits.extend(found);
    }
    let mut driver = Driver::default();
    for edit in edits {
        edit.apply(&mut driver)?;
    }
    Ok(Some(driver))
}

/// A specification of GPUs. One of other devices is none of ours.
fn read(path: &Path) -> io::Result<Option<Specification>> {
    let text = fs::read_to_string(path)?;
    // JSON is YAML.
    let specification: Specification = serde_yaml_ng::from_str(&text).map_err(|error| {
        let path = path.display();
        io::Error::other(format!(
            "the CDI specification `{path}` cannot be read: {error}\n  help: make it anew: `nvidia-ctk cdi generate --output={path}`"
        ))
    })?;
    Ok(Some(specification).filter(|specification| specification.kind == KIND))
}

impl Edits {
    fn apply(&self, driver: &mut Driver) -> io::Result<()> {
        for variable in &self.env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            driver.env.push((name.to_owned(), value.to_owned()));
        }
        for node in &self.device_nodes {
            if driver.binds.iter().any(|bind| bind.target == node.path) {
                continue;
            }
            let source = node.host_path.clone();
            driver.device(
                source.unwrap_or_else(|| node.path.clone().into()),
                &node.path,
            );
        }
        for mount in &self.mounts {
            if !mount.host_path.exists() {
                let path = mount.host_path.display();
                return Err(io::Error::other(format!(
                    "a CDI specification names `{path}`, which is not there\n  help: after a change of the driver, make it anew: \
                     `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
                )));
            }
            let name = mount.host_path.file_name().unwrap_or_default();
            if name.to_string_lossy().contains(".so") {
                driver.library(&mount.host_path)?;
            }
            driver.file(mount.host_path.clone(), mount.container_path.clone());
        }
        Ok(())
    }
}
