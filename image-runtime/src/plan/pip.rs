//! Steps that install Python packages: what they ask for, and what of it identifies their layers.

use super::fields::Fields;
use super::lower::secret_names;
use crate::spec::verb::{PipInstall, PipInstallFromPyproject, PipInstallFromRequirements, UvSync};
use crate::spec::{Project, Requirements, Secret};

/// The name of a Python package as installers compare it (PEP 503).
pub fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Packages to install, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pip {
    /// PEP 508 requirements.
    pub list: &'static [&'static str],
    /// What a file asks for, and what people call the file.
    pub file: Option<(Requirements, &'static str)>,
    /// `index_url`; empty where it is not given, and so the next two.
    pub index_url: &'static str,
    /// `extra_index_url`
    pub extra_index_url: &'static str,
    /// `find_links`
    pub find_links: &'static str,
    /// `pre`
    pub pre: bool,
    /// `extra_options`
    pub extra_options: &'static [&'static str],
    secrets: &'static [Secret],
}

impl Pip {
    /// The URL by which a package is asked for, as written, where one is. Its name is normalised.
    pub fn url_of(&self, package: &str) -> Option<&'static str> {
        let file = self.file.map_or("", |(requirements, _)| requirements.text);
        let mut all = self.list.iter().copied().chain(file.lines());
        all.find_map(|requirement| {
            let (name, url) = requirement.split_once('@')?;
            let name = name.split('[').next()?.trim();
            url.split_whitespace()
                .next()
                .filter(|_| normalized(name) == package)
        })
    }
}

/// A project to install the packages of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Its files.
    pub project: Project,
    /// Dependency groups.
    pub groups: &'static [&'static str],
    /// Extras.
    pub extras: &'static [&'static str],
    /// Whether the lock is taken as it is.
    pub frozen: bool,
    secrets: &'static [Secret],
}

macro_rules! pip {
    ($step:ident, $list:expr, $file:expr) => {
        Pip {
            list: $list,
            file: $file,
            index_url: $step.index_url,
            extra_index_url: $step.extra_index_url,
            find_links: $step.find_links,
            pre: $step.pre,
            extra_options: $step.extra_options,
            secrets: $step.secrets,
        }
    };
}

impl From<&PipInstall> for Pip {
    fn from(step: &PipInstall) -> Self {
        pip!(step, step.requirements, None)
    }
}

impl From<&PipInstallFromRequirements> for Pip {
    fn from(step: &PipInstallFromRequirements) -> Self {
        pip!(step, &[], Some((step.requirements, step.path)))
    }
}

impl From<&PipInstallFromPyproject> for Pip {
    fn from(step: &PipInstallFromPyproject) -> Self {
        pip!(step, &[], Some((step.requirements, step.path)))
    }
}

impl From<&UvSync> for Sync {
    fn from(step: &UvSync) -> Self {
        Self {
            project: step.project,
            groups: step.groups,
            extras: step.extras,
            frozen: step.frozen,
            secrets: step.secrets,
        }
    }
}

impl Pip {
    /// What of it identifies a layer. Options that are not given are no part of it.
    pub(super) fn encode<'a>(&self, uv: &str, fields: &'a mut Fields) -> &'a mut Fields {
        match self.file {
            None => fields.list("requirements", self.list.iter().copied()),
            Some((
                Requirements {
                    text,
                    constraints,
                    options,
                },
                path,
            )) => fields
                .text(path, text)
                .text("constraints", constraints)
                .list("options", options.iter().copied()),
        };
        fields.text("uv", uv);
        let texts = [self.index_url, self.extra_index_url, self.find_links];
        if texts.iter().any(|text| !text.is_empty()) || self.pre || !self.extra_options.is_empty() {
            fields
                .mark("options")
                .count(texts.len() as u64)
                .text("index_url", self.index_url)
                .text("extra_index_url", self.extra_index_url)
                .text("find_links", self.find_links)
                .flag("pre", self.pre)
                .list("extra_options", self.extra_options.iter().copied());
        }
        secret_names(self.secrets, fields)
    }
}

impl Sync {
    /// What of it identifies a layer.
    pub(super) fn encode<'a>(&self, uv: &str, fields: &'a mut Fields) -> &'a mut Fields {
        fields
            .text("pyproject.toml", self.project.pyproject)
            .text("uv.lock", self.project.lock)
            .list("groups", self.groups.iter().copied())
            .list("extras", self.extras.iter().copied())
            .flag("frozen", self.frozen)
            .text("uv", uv);
        secret_names(self.secrets, fields)
    }
}
