//! Which packages a minimal system consists of: all that are essential or of priority `required`, apt, and what those need.

use std::collections::{BTreeMap, VecDeque};

use super::index::{Candidates, Index, Malformed, Read};
use super::relation::Relation;
use super::{DebianError, Package};

/// Chosen wherever it is an alternative: the tree has merged directories from the start, so nothing needs to merge them.
const PREFERRED: &str = "usr-is-merged";

impl From<Malformed> for DebianError {
    fn from(Malformed { url, reason }: Malformed) -> Self {
        Self::Malformed { url, reason }
    }
}

/// Chooses the packages, in the order of their names.
pub(super) fn minimal(indexes: &[Index]) -> Result<Vec<Package>, DebianError> {
    let mut candidates = Candidates::new();
    for index in indexes {
        index.add_to(&mut candidates)?;
    }
    let mut selection = Selection {
        candidates,
        chosen: BTreeMap::new(),
        open: VecDeque::new(),
    };
    selection.seed()?;
    while let Some(name) = selection.open.pop_front() {
        let needs = selection.chosen[&name].needs.clone();
        for alternatives in &needs {
            selection.satisfy(&name, alternatives)?;
        }
    }
    Ok(selection
        .chosen
        .into_values()
        .map(|read| read.package)
        .collect())
}

struct Selection<'a> {
    candidates: Candidates<'a>,
    chosen: BTreeMap<String, Read>,
    /// Chosen packages whose needs have not been looked at.
    open: VecDeque<String>,
}

impl Selection<'_> {
    fn seed(&mut self) -> Result<(), DebianError> {
        let mut seeds: Vec<&str> = self
            .candidates
            .iter()
            .filter(|(name, candidate)| {
                **name == "apt"
                    || candidate.has_line("Essential: yes")
                    || candidate.has_line("Priority: required")
            })
            .map(|(name, _)| *name)
            .collect();
        seeds.sort_unstable();
        if !seeds.contains(&"apt") {
            return Err(DebianError::Unsatisfied {
                relation: "apt".to_owned(),
                needed_by: "every base".to_owned(),
            });
        }
        seeds.into_iter().try_for_each(|seed| self.choose(seed))
    }

    fn choose(&mut self, name: &str) -> Result<(), DebianError> {
        let read = self.candidates[name].read()?;
        self.open.push_back(name.to_owned());
        self.chosen.insert(name.to_owned(), read);
        Ok(())
    }

    /// Makes sure that one of the alternatives is chosen.
    fn satisfy(&mut self, needed_by: &str, alternatives: &[Relation]) -> Result<(), DebianError> {
        if alternatives
            .iter()
            .any(|relation| self.chosen.values().any(|read| satisfies(read, relation)))
        {
            return Ok(());
        }
        let preferred = alternatives
            .iter()
            .filter(|relation| relation.name == PREFERRED);
        for relation in preferred.chain(alternatives) {
            if let Some(name) = self.find(relation)? {
                return self.choose(&name);
            }
        }
        let written: Vec<&str> = alternatives
            .iter()
            .map(|relation| relation.name.as_str())
            .collect();
        Err(DebianError::Unsatisfied {
            relation: written.join(" | "),
            needed_by: format!("`{needed_by}`"),
        })
    }

    /// A package that satisfies a relation: the one of that name, else the first that provides it.
    fn find(&self, relation: &Relation) -> Result<Option<String>, DebianError> {
        if let Some(candidate) = self.candidates.get(relation.name.as_str()) {
            let read = candidate.read()?;
            if satisfies(&read, relation) {
                return Ok(Some(read.package.name));
            }
        }
        let mut providers = Vec::new();
        for (name, candidate) in &self.candidates {
            if candidate.provides().contains(&relation.name)
                && satisfies(&candidate.read()?, relation)
            {
                providers.push(*name);
            }
        }
        Ok(providers.into_iter().min().map(str::to_owned))
    }
}

fn satisfies(read: &Read, relation: &Relation) -> bool {
    (read.package.name == relation.name && relation.accepts(&read.package.version))
        || read
            .provides
            .iter()
            .any(|provided| provided.name == relation.name && relation.accepts_provided(provided))
}
