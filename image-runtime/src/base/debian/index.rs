//! An index of packages (`Packages`): tens of megabytes of stanzas, of which a base needs a hundred. So the text is only cut into
//! stanzas, and those that are needed are read.

use std::collections::HashMap;

use deb822_fast::Paragraph;

use super::relation::{Relation, relations};
use super::version;
use super::{Origin, Package};

/// An index whose digest was verified.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) url: String,
    pub(super) origin: Origin,
    pub(super) text: String,
}

/// The newest stanza of each package.
pub(super) type Candidates<'a> = HashMap<&'a str, Candidate<'a>>;

/// A stanza that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) index: &'a Index,
    pub(super) stanza: &'a str,
}

/// A stanza is malformed: the address of the index, and what is wrong.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) url: String,
    pub(super) reason: String,
}

/// A stanza that was read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) package: Package,
    pub(super) provides: Vec<Relation>,
    /// What it needs: of each list one.
    pub(super) needs: Vec<Vec<Relation>>,
}

impl Index {
    /// Adds the packages of this index to those of others; of two versions the newer stays.
    pub(super) fn add_to<'a>(&'a self, candidates: &mut Candidates<'a>) -> Result<(), Malformed> {
        candidates.reserve(self.text.len() / 800);
        for stanza in self.text.split("\n\n") {
            let stanza = stanza.trim_start_matches('\n');
            if stanza.is_empty() {
                continue;
            }
            let candidate = Candidate {
                index: self,
                stanza,
            };
            let name = stanza
                .strip_prefix("Package: ")
                .and_then(|rest| rest.lines().next())
                .ok_or_else(|| candidate.malformed("it does not begin with `Package`"))?;
            if let Some(other) = candidates.get(name)
                && version::compare(other.version()?, candidate.version()?).is_ge()
            {
                continue;
            }
            candidates.insert(name, candidate);
        }
        Ok(())
    }
}

impl<'a> Candidate<'a> {
    /// Whether the stanza has a line; the line is no package's first.
    pub(super) fn has_line(&self, line: &str) -> bool {
        self.stanza.match_indices(line).any(|(at, _)| {
            self.stanza[..at].ends_with('\n')
                && matches!(
                    self.stanza.as_bytes().get(at + line.len()),
                    None | Some(b'\n')
                )
        })
    }

    fn version(&self) -> Result<&'a str, Malformed> {
        self.stanza
            .split_once("\nVersion: ")
            .and_then(|(_, rest)| rest.lines().next())
            .ok_or_else(|| self.malformed("it has no `Version`"))
    }

    /// The names that the package provides, if any.
    pub(super) fn provides(&self) -> &'a str {
        self.stanza
            .split_once("\nProvides: ")
            .and_then(|(_, rest)| rest.lines().next())
            .unwrap_or_default()
    }

    /// Reads the stanza.
    pub(super) fn read(&self) -> Result<Read, Malformed> {
        let fields: Paragraph = self
            .stanza
            .parse()
            .map_err(|error| self.malformed(&format!("it is no control stanza ({error})")))?;
        let field = |name: &str| {
            fields
                .get(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| self.malformed(&format!("it has no `{name}`")))
        };
        let package = Package {
            name: field("Package")?.to_owned(),
            version: field("Version")?.to_owned(),
            architecture: field("Architecture")?.to_owned(),
            sha256: field("SHA256")?
                .parse()
                .map_err(|_| self.malformed("its `SHA256` is malformed"))?,
            size: field("Size")?
                .parse()
                .map_err(|_| self.malformed("its `Size` is malformed"))?,
            filename: field("Filename")?.to_owned(),
            origin: self.index.origin,
        };
        if !is_name(&package.name) {
            return Err(self.malformed("its `Package` is no package name"));
        }
        if package
            .filename
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(self.malformed("its `Filename` leaves the archive"));
        }
        let list = |name: &str| {
            relations(fields.get(name).unwrap_or_default()).map_err(|relation| {
                self.malformed(&format!("`{relation}` in its `{name}` is malformed"))
            })
        };
        let mut needs = list("Pre-Depends")?;
        needs.extend(list("Depends")?);
        Ok(Read {
            package,
            provides: list("Provides")?.into_iter().flatten().collect(),
            needs,
        })
    }

    fn malformed(&self, reason: &str) -> Malformed {
        let first = self.stanza.lines().next().unwrap_or_default();
        Malformed {
            url: self.index.url.clone(),
            reason: format!("{reason}, in the stanza `{first}`"),
        }
    }
}

/// Debian Policy 5.6.7.
fn is_name(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        })
}
