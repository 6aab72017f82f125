//! What this command line reads of a bundle's `config.json`: the part of the runtime specification that the sandbox can do. All
//! else in `process`, `linux` and below is an error that names it; at the top, what is unknown must be ignored.
//!
//! <https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md>

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    oci_version: String,
    pub(crate) root: Root,
    pub(crate) process: Process,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    #[serde(default)]
    pub(crate) mounts: Vec<Mount>,
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) linux: Linux,
    hooks: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) readonly: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Process {
    #[serde(default)]
    terminal: bool,
    pub(crate) user: User,
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) capabilities: Option<Capabilities>,
    #[serde(default)]
    pub(crate) rlimits: Vec<Rlimit>,
    #[serde(default)]
    pub(crate) no_new_privileges: bool,
    pub(crate) oom_score_adj: Option<i32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    #[serde(default)]
    pub(crate) additional_gids: Option<Vec<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Capabilities {
    pub(crate) bounding: Vec<String>,
    pub(crate) effective: Vec<String>,
    pub(crate) permitted: Vec<String>,
    pub(crate) inheritable: Vec<String>,
    pub(crate) ambient: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rlimit {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) hard: u64,
    pub(crate) soft: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mount {
    pub(crate) destination: String,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) source: Option<String>,
    #[serde(default)]
    pub(crate) options: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Linux {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) uid_mappings: Option<Vec<Mapping>>,
    pub(crate) gid_mappings: Option<Vec<Mapping>>,
    pub(crate) sysctl: Option<BTreeMap<String, String>>,
    pub(crate) resources: Option<Resources>,
    pub(crate) cgroups_path: Option<String>,
    pub(crate) devices: Option<Vec<Device>>,
    pub(crate) rootfs_propagation: Option<String>,
    pub(crate) masked_paths: Option<Vec<String>>,
    pub(crate) readonly_paths: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Namespace {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Mapping {
    #[serde(rename = "containerID")]
    pub(crate) inside: u32,
    #[serde(rename = "hostID")]
    pub(crate) outside: u32,
    pub(crate) size: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Resources {
    /// What may be done with devices: here mounts say that, and those that are shown may be used.
    #[serde(rename = "devices")]
    pub(crate) _devices: Option<Vec<Value>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) cpu: Option<Cpu>,
    pub(crate) pids: Option<Pids>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Memory {
    pub(crate) limit: Option<i64>,
    /// How much is swapped of what may be: here nothing may.
    #[serde(rename = "swappiness")]
    pub(crate) _swappiness: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Cpu {
    pub(crate) quota: Option<i64>,
    pub(crate) period: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pids {
    pub(crate) limit: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Device {
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) major: u32,
    #[serde(default)]
    pub(crate) minor: u32,
}

impl Config {
    pub(crate) fn read(bundle: &Path) -> Result<Self> {
        let path = bundle.join("config.json");
        let text = std::fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
        let config: Self = serde_json::from_slice(&text).with_context(|| {
            format!("`{}` asks for what the sandbox does not do", path.display())
        })?;
        ensure!(
            config.oci_version.starts_with("1."),
            "`ociVersion` is `{}`, and must be 1.x.y",
            config.oci_version
        );
        ensure!(
            !config.process.terminal,
            "`process.terminal`: containers have no terminal"
        );
        let hooks = config.hooks.as_ref().and_then(Value::as_object);
        let has_hooks = hooks.is_some_and(|kinds| kinds.values().any(|list| !list.is_null()));
        ensure!(
            !has_hooks,
            "`hooks`: containers run nothing but their program"
        );
        Ok(config)
    }
}
