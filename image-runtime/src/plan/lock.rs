//! What images hold, exactly: the text of `image.lock`, and which of it fits a plan (`fit.rs`).

mod check;
mod fit;
#[cfg(test)]
mod tests;
mod toml;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, StepRecord};
use crate::digest::Digest;

/// The name of the file, beside the `Cargo.toml` of the program's package.
pub const LOCK_FILE: &str = "image.lock";

/// The format that is written and read.
const VERSION: u32 = 1;

/// What the images of the programs of a package hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockfile {
    version: u32,
    /// What bases are.
    #[serde(default, rename = "base")]
    pub bases: Vec<LockedBase>,
    /// What addresses hold that `ADD` names without a checksum.
    #[serde(default, rename = "address", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<LockedAddress>,
    /// What images are made of, by name.
    #[serde(default, rename = "image")]
    pub images: Vec<LockedImage>,
}

/// What a base is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedBase {
    /// What was asked for: a reference, or a builder version and a Python.
    pub of: String,
    /// What it is: an image of a registry by its digest, or all packages of a Debian suite.
    #[serde(flatten)]
    pub is: serde_json::Map<String, serde_json::Value>,
}

/// What an address holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedAddress {
    /// The address.
    pub of: String,
    /// The SHA-256 of its file.
    pub sha256: Digest,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedImage {
    /// What people call it.
    pub name: String,
    /// The program that has it. Where none is told, whichever has such an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The base that it stands on; of `scratch()`, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The tools that install its packages, and their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// The steps that install something, in order.
    #[serde(default, rename = "step")]
    pub steps: Vec<LockedStep>,
}

/// A step that installs something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedStep {
    /// The step, as people write it, shortened.
    pub step: String,
    /// What identifies all that it says.
    pub definition: String,
    /// What it brings.
    #[serde(flatten)]
    pub holds: Holdings,
}

/// What a layer brings that those below do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Debian packages, new ones and those of another version: `git=1:2.39.5-0+deb12u2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apt: Vec<String>,
    /// Python packages, new ones and those of another version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<PythonPackage>,
    /// Conda packages, new ones and others than before: the address and the hash of each, `https://…/numpy-1.26.4-py311_0.conda#sha256=…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conda: Vec<String>,
    /// Packages that it removes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// A Python package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonPackage {
    /// Its name, normalised.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from, if that is no index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The hashes of its files: `sha256:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
}

impl PythonPackage {
    /// Whether it comes out of a repository, of which a commit is named: there is no file that has a hash.
    pub fn is_of_repository(&self) -> bool {
        let scheme = self.url.as_deref().and_then(|url| url.split_once("://"));
        scheme.is_some_and(|(scheme, _)| scheme.contains('+'))
    }
}

/// `name==version`, and where it comes from if that is no index.
impl fmt::Display for PythonPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=={}", self.name, self.version)?;
        match &self.url {
            Some(url) => write!(f, " from {url}"),
            None => Ok(()),
        }
    }
}

/// All packages that are in a layer and those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Debian packages and their versions.
    pub apt: BTreeMap<String, String>,
    /// Python packages, their versions, and where they come from if that is no index.
    pub python: BTreeMap<String, (String, Option<String>)>,
    /// Conda packages: the address and the hash of each.
    #[serde(default)]
    pub conda: BTreeMap<String, String>,
}

impl Contents {
    /// What is here and not below.
    pub fn above(&self, below: &Self) -> Holdings {
        let apt = self
            .apt
            .iter()
            .filter(|(name, version)| below.apt.get(*name) != Some(*version));
        let python = self
            .python
            .iter()
            .filter(|(name, is)| below.python.get(*name) != Some(*is));
        let conda = self
            .conda
            .iter()
            .filter(|(name, is)| below.conda.get(*name) != Some(*is));
        let gone = below
            .apt
            .keys()
            .filter(|name| !self.apt.contains_key(*name));
        let gone_python = below
            .python
            .keys()
            .filter(|name| !self.python.contains_key(*name));
        let gone_conda = below
            .conda
            .keys()
            .filter(|name| !self.conda.contains_key(*name));
        Holdings {
            apt: apt
                .map(|(name, version)| format!("{name}={version}"))
                .collect(),
            python: python
                .map(|(name, (version, url))| PythonPackage {
                    name: name.clone(),
                    version: version.clone(),
                    url: url.clone(),
                    hashes: Vec::new(),
                })
                .collect(),
            conda: conda.map(|(_, is)| is.clone()).collect(),
            removed: gone.chain(gone_python).chain(gone_conda).cloned().collect(),
        }
    }
}

impl Holdings {
    /// In what it differs from what was locked: nothing, or lines for people.
    pub fn differences(&self, locked: &Self) -> Vec<String> {
        let (here, there) = (self.lines(), locked.lines());
        let without = there.iter().filter(|line| !here.contains(line));
        let with = here.iter().filter(|line| !there.contains(line));
        let without = without.map(|line| format!("without {line}"));
        without
            .chain(with.map(|line| format!("with {line}")))
            .collect()
    }

    /// Whether each Python package has the hashes that were locked of it.
    pub fn has_hashes_of(&self, locked: &Self) -> bool {
        locked.python.iter().all(|package| {
            let here = |here: &&PythonPackage| here.name == package.name;
            package.hashes.is_empty()
                || self
                    .python
                    .iter()
                    .find(here)
                    .is_some_and(|here| here.hashes == package.hashes)
        })
    }

    /// All of it, for people.
    pub fn lines(&self) -> Vec<String> {
        let python = self.python.iter();
        let python = python.map(ToString::to_string);
        let removed = self.removed.iter().map(|name| format!("{name} removed"));
        self.apt
            .iter()
            .cloned()
            .chain(python)
            .chain(self.conda.iter().cloned())
            .chain(removed)
            .collect()
    }

    /// Whether it brings nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `image.lock` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It is no such text.
    #[error("it is no lock of images: {0}\n  help: remove it, and write it anew with `lock`")]
    Malformed(String),
    /// Another version of this library wrote it.
    #[error(
        "its version is {0}, and this program knows version {VERSION}\n  help: update `image-runtime`, or remove it and write it anew with `lock`"
    )]
    Version(u32),
    /// It does not fit the definitions.
    #[error("it does not fit image `{image}`:\n  {}\n  help: `lock` keeps what still fits and adds the rest", .faults.join("\n  "))]
    Misfit {
        /// The image.
        image: String,
        /// What does not fit.
        faults: Vec<String>,
    },
}

impl Lockfile {
    /// What bases, addresses and images are.
    pub fn new(
        bases: Vec<LockedBase>,
        addresses: Vec<LockedAddress>,
        images: Vec<LockedImage>,
    ) -> Self {
        Self {
            version: VERSION,
            bases,
            addresses,
            images,
        }
    }

    /// The same, with what another lock holds of other programs.
    pub fn with_others(mut self, other: Self, program: &str) -> Self {
        let is_other =
            |image: &LockedImage| image.program.as_deref().is_some_and(|of| of != program);
        let others: Vec<_> = other.images.into_iter().filter(is_other).collect();
        if others.is_empty() {
            return self;
        }
        self.images.extend(others);
        self.images
            .sort_by(|one, two| (&one.name, &one.program).cmp(&(&two.name, &two.program)));
        let bases = other.bases.into_iter();
        let bases: Vec<_> = bases.filter(|base| self.base(&base.of).is_none()).collect();
        self.bases.extend(bases);
        self.bases.sort_by(|one, two| one.of.cmp(&two.of));
        let addresses = other.addresses.into_iter();
        let addresses: Vec<_> = addresses
            .filter(|address| self.address(&address.of).is_none())
            .collect();
        self.addresses.extend(addresses);
        self.addresses.sort_by(|one, two| one.of.cmp(&two.of));
        self
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    /// It is malformed, or of another version.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let value = toml::parse(text).map_err(LockError::Malformed)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        match version.map(u32::try_from) {
            Some(Ok(VERSION)) => {}
            Some(version) => return Err(LockError::Version(version.unwrap_or(u32::MAX))),
            None => return Err(LockError::Malformed("it has no `version`".into())),
        }
        let malformed = |error: serde_json::Error| LockError::Malformed(error.to_string());
        let lock: Self = serde_json::from_value(value.clone()).map_err(malformed)?;
        check::all(&lock, &value).map_err(LockError::Malformed)?;
        Ok(lock)
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let value = serde_json::to_value(self).expect("locks have string keys");
        toml::text(&value)
    }

    /// What a base is.
    pub fn base(&self, of: &str) -> Option<&LockedBase> {
        self.bases.iter().find(|base| base.of == of)
    }

    /// What an address holds.
    pub fn address(&self, of: &str) -> Option<Digest> {
        let known = self.addresses.iter().find(|address| address.of == of);
        known.map(|address| address.sha256)
    }
}

/// The tools that install the packages of a layer, and their versions.
pub fn tools(action: &Action) -> Vec<(&'static str, &str)> {
    match action {
        Action::PipInstall { uv, .. } | Action::UvSync { uv, .. } => vec![("uv", uv)],
        Action::SuitePython { uv, pip, .. } | Action::StandalonePython { uv, pip, .. } => {
            vec![("uv", uv), ("pip", pip)]
        }
        Action::Conda { tool, .. } => vec![("py-rattler", tool)],
        _ => Vec::new(),
    }
}

/// Whether a step is there to install packages: such a one is always locked.
pub fn installs(action: &Action) -> bool {
    matches!(
        action,
        Action::AptInstall(_)
            | Action::SuitePython { .. }
            | Action::StandalonePython { .. }
            | Action::PipInstall { .. }
            | Action::UvSync { .. }
            | Action::Conda { .. }
    )
}

/// What identifies all that a step says, whatever stands below it and whatever is locked.
pub fn definition(step: &StepRecord) -> String {
    let facts = step.facts.iter().filter(|fact| fact.name != LOCK_FILE);
    let said = (&step.verb, facts.collect::<Vec<_>>());
    let said = serde_json::to_vec(&said).expect("facts have string keys");
    Digest::of(&said).short()
}
