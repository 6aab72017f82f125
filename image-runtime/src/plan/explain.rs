//! Why each layer of an image is built or reused: the plan of today held against the record of the image's last build.

mod align;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use self::align::{Alignment, align};
use super::{Fact, Plan, StepRecord, Value};
use crate::digest::Digest;

/// A layer, and why it is built or reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The layer, as people write its step.
    pub layer: String,
    /// The stage of a Dockerfile that it is of, where others copy from that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Its identity.
    pub id: Digest,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a layer is built, or that it need not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It exists.
    Reused,
    /// It exists, and this is asked for all the same.
    Forced {
        /// By what.
        by: Forced,
    },
    /// The image was never built on this store.
    NeverBuilt,
    /// The step, or what comes before it and makes no layer, is not what it was.
    Changed {
        /// In what.
        changes: Vec<Change>,
    },
    /// Only the layer below is another one, or is built.
    Below,
    /// It was there at the last build, and was removed or damaged, or what it stands on was replaced.
    Removed,
    /// All that people write is the same: another version of this library identifies it in another way.
    Identified,
}

/// What asks for a layer that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forced {
    /// `force_build = true` of its step.
    #[serde(rename = "force_build")]
    Step,
    /// `--no-cache`
    NoCache,
    /// `--ignore-cache`
    IgnoreCache,
}

/// A way in which an image is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A step that was not there.
    NewStep {
        /// The step, as people write it.
        step: String,
    },
    /// A step is gone.
    GoneStep {
        /// The step, as people wrote it.
        step: String,
    },
    /// What it stands on is something else.
    Base {
        /// What it was: its name, and what pins it.
        old: String,
        /// What it is.
        new: String,
    },
    /// A keyword has another value.
    Keyword {
        /// Whose: the verb.
        verb: String,
        /// The keyword.
        keyword: String,
        /// What it said; nothing where it was not given.
        old: Option<String>,
        /// What it says; nothing where it is not given.
        new: Option<String>,
    },
    /// A keyword lists other things.
    Items {
        /// Whose: the verb.
        verb: String,
        /// The keyword.
        keyword: String,
        /// What is no longer in it.
        removed: Vec<String>,
        /// What is new in it.
        added: Vec<String>,
    },
    /// Files are not what they were.
    Files {
        /// Whose: the verb.
        verb: String,
        /// Paths of those with another content or target; empty as the next three where it is not known which.
        changed: Vec<String>,
        /// Paths of those with another mode and nothing else.
        mode_changed: Vec<String>,
        /// Paths of those that are gone.
        removed: Vec<String>,
        /// Paths of new ones.
        added: Vec<String>,
    },
}

/// What lay in copied files: what identifies each, by its path. A mode, a space, and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing(pub BTreeMap<String, String>);

/// What is known of an image besides its plan.
pub struct Known<'a> {
    /// The steps of its last build.
    pub before: Option<&'a [StepRecord]>,
    /// The first layer that is to be built; the number of layers where none is.
    pub first: usize,
    /// What the whole run was asked for.
    pub run: Option<Forced>,
    /// What lay in copied files, by what identifies them all.
    pub listing: &'a dyn Fn(&Digest) -> Option<Listing>,
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("before", &self.before)
            .field("first", &self.first)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// Says of each layer of a plan why it is built or reused.
pub fn explain(plan: &Plan, known: &Known<'_>) -> Vec<Explained> {
    let there: HashSet<_> = known
        .before
        .into_iter()
        .flatten()
        .map(|step| step.id)
        .collect();
    let alignment = known.before.map(|before| align(before, &plan.steps));
    let changes_of = |from: usize, to: usize| match (&alignment, known.before) {
        (Some(alignment), Some(before)) => {
            let steps = alignment.steps[from..=to]
                .iter()
                .zip(&plan.steps[from..=to]);
            let changes = steps.flat_map(|(aligned, step)| changes(before, aligned, step, known));
            changes.collect()
        }
        _ => Vec::new(),
    };
    let mut from = 0;
    let steps = plan.steps.iter().enumerate();
    let layers = steps.filter(|(_, step)| step.layer).map(|(to, _)| {
        let changes = changes_of(from, to);
        from = to + 1;
        changes
    });
    let layers = plan.layers.iter().zip(layers).enumerate();
    let explained = layers.map(|(index, (layer, changes))| {
        let below = index.checked_sub(1);
        let forces = layer.force && below.is_none_or(|below| !plan.layers[below].force);
        let reason = if index < known.first {
            Reason::Reused
        } else if let Some(by) = known.run {
            Reason::Forced { by }
        } else if forces {
            Reason::Forced { by: Forced::Step }
        } else if known.before.is_none() {
            Reason::NeverBuilt
        } else if !changes.is_empty() {
            Reason::Changed { changes }
        } else if index > known.first {
            Reason::Below
        } else if there.contains(&layer.id) {
            Reason::Removed
        } else {
            Reason::Identified
        };
        Explained {
            layer: layer.title.clone(),
            stage: None,
            id: layer.id,
            reason,
        }
    });
    explained.collect()
}

fn changes(
    before: &[StepRecord],
    aligned: &Alignment,
    step: &StepRecord,
    known: &Known<'_>,
) -> Vec<Change> {
    let gone = aligned.gone.iter().map(|index| Change::GoneStep {
        step: before[*index].title.clone(),
    });
    let mut changes: Vec<_> = gone.collect();
    match aligned.old {
        None => changes.push(Change::NewStep {
            step: step.title.clone(),
        }),
        Some(old) if step.verb == "base" => {
            let (old, new) = (text::base(&before[old]), text::base(step));
            changes.extend((old != new).then_some(Change::Base { old, new }));
        }
        Some(old) => changes.extend(between(&before[old], step, known)),
    }
    changes
}

/// In what a step differs from what it was.
fn between<'a>(
    old: &'a StepRecord,
    new: &'a StepRecord,
    known: &'a Known<'_>,
) -> impl Iterator<Item = Change> + 'a {
    let value = |facts: &'a [Fact], name: &str| {
        let fact = facts.iter().find(|fact| fact.name == name);
        fact.map(|fact| &fact.value)
    };
    let gone = old
        .facts
        .iter()
        .filter(move |fact| value(&new.facts, &fact.name).is_none());
    let changed = gone.map(|fact| (fact.name.as_str(), Some(&fact.value), None));
    let there = new.facts.iter().map(move |fact| {
        let name = fact.name.as_str();
        (name, value(&old.facts, name), Some(&fact.value))
    });
    there
        .chain(changed)
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, value)| change(&new.verb, name, old, value, known))
}

fn change(
    verb: &str,
    keyword: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    known: &Known<'_>,
) -> Change {
    let verb = verb.to_owned();
    if let (Some(Value::Files(old)), Some(Value::Files(new))) = (old, new) {
        return files(verb, (known.listing)(old), (known.listing)(new));
    }
    let keyword = keyword.to_owned();
    match (items(old), items(new)) {
        (Some(old), Some(new)) => {
            let without = |all: &[String], others: &[String]| -> Vec<String> {
                let mut others = others.to_vec();
                let mut left = all.to_vec();
                left.retain(|item| match others.iter().position(|other| other == item) {
                    Some(index) => {
                        others.swap_remove(index);
                        false
                    }
                    None => true,
                });
                left
            };
            Change::Items {
                verb,
                keyword,
                removed: without(&old, &new),
                added: without(&new, &old),
            }
        }
        _ => Change::Keyword {
            verb,
            keyword,
            old: old.map(text::value),
            new: new.map(text::value),
        },
    }
}

/// What a value lists; a text of several lines lists those.
fn items(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::List(items) => Some(items.clone()),
        Value::Text(text) if text.contains('\n') => Some(text.lines().map(str::to_owned).collect()),
        Value::Pairs(pairs) => {
            let pairs = pairs.iter();
            Some(
                pairs
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            )
        }
        Value::Text(_) | Value::Long(_) | Value::Files(_) => None,
    }
}

fn files(verb: String, old: Option<Listing>, new: Option<Listing>) -> Change {
    let (Some(Listing(old)), Some(Listing(new))) = (old, new) else {
        return Change::Files {
            verb,
            changed: Vec::new(),
            mode_changed: Vec::new(),
            removed: Vec::new(),
            added: Vec::new(),
        };
    };
    let missing = |from: &BTreeMap<String, String>, among: &BTreeMap<String, String>| {
        let paths = from.keys().filter(|path| !among.contains_key(*path));
        paths.cloned().collect()
    };
    let (mut changed, mut mode_changed) = (Vec::new(), Vec::new());
    for (path, now) in &new {
        match old.get(path) {
            Some(then) if then != now => {
                // The mode stands first.
                let what = |text: &str| text.split_once(' ').map(|(_, what)| what.to_owned());
                match what(then) == what(now) {
                    true => mode_changed.push(path.clone()),
                    false => changed.push(path.clone()),
                }
            }
            _ => {}
        }
    }
    Change::Files {
        verb,
        changed,
        mode_changed,
        removed: missing(&old, &new),
        added: missing(&new, &old),
    }
}
