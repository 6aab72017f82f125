//! What identifies a step, and what people are told of it: recorded in one go, so that the two cannot differ.

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Encoder, LayerId};

/// Texts that are longer are remembered by their digest.
const LONGEST: usize = 16 * 1024;

/// One keyword of a step and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The keyword; of what has none, its name in the plural: `packages`.
    pub name: String,
    /// What it said.
    pub value: Value,
}

/// What a keyword said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// A text, or a number as people write it.
    Text(String),
    /// The digest of a text that is too long to be remembered.
    Long(Digest),
    /// Several texts.
    List(Vec<String>),
    /// Names and what they stand for.
    Pairs(Vec<(String, String)>),
    /// Files, by what identifies them.
    Files(Digest),
}

/// A step as it was when its image was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What identifies the image up to this step.
    pub id: LayerId,
    /// The verb, the keyword of the instruction, `base`, or `python` for that of the suite.
    pub verb: String,
    /// The step as people write it, shortened.
    pub title: String,
    /// Whether it makes a layer; else it is configuration.
    pub layer: bool,
    /// All that it said.
    pub facts: Vec<Fact>,
}

/// Hashes the fields of a step and remembers what they are called.
pub(super) struct Fields {
    encoder: Encoder,
    facts: Vec<Fact>,
}

impl Fields {
    pub(super) fn new(encoder: Encoder) -> Self {
        let facts = Vec::new();
        Self { encoder, facts }
    }

    /// A text. An empty one is a keyword that was not given.
    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.encoder.text(text);
        self.note(name, text)
    }

    /// A list of texts.
    pub(super) fn list<'a>(
        &mut self,
        name: &str,
        items: impl ExactSizeIterator<Item = &'a str> + Clone,
    ) -> &mut Self {
        self.encoder.list(items.clone());
        if items.len() > 0 {
            self.fact(name, Value::List(items.map(str::to_owned).collect()));
        }
        self
    }

    /// Names and their values, with their number before them.
    pub(super) fn pairs<'a>(
        &mut self,
        name: &str,
        pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone,
    ) -> &mut Self {
        self.encoder.number(pairs.len() as u64);
        for (name, value) in pairs.clone() {
            self.encoder.text(name).text(value);
        }
        if pairs.len() > 0 {
            let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            self.fact(name, Value::Pairs(owned.collect()));
        }
        self
    }

    /// Files.
    pub(super) fn files(&mut self, name: &str, digest: &Digest) -> &mut Self {
        self.encoder.digest(digest);
        self.fact(name, Value::Files(*digest));
        self
    }

    /// What pins something from elsewhere.
    pub(super) fn digest(&mut self, name: &str, digest: &Digest) -> &mut Self {
        self.encoder.digest(digest);
        self.note(name, &format!("sha256:{digest}"))
    }

    /// Whether a keyword is given as `true`.
    pub(super) fn flag(&mut self, name: &str, set: bool) -> &mut Self {
        self.encoder.number(set.into());
        self.note(name, if set { "true" } else { "" })
    }

    /// The permissions of files, where they are given.
    pub(super) fn mode(&mut self, name: &str, mode: Option<u32>) -> &mut Self {
        self.encoder
            .number(mode.map_or(0, |mode| u64::from(mode) + 1));
        let text = mode.map(|mode| format!("{mode:o}"));
        self.note(name, &text.unwrap_or_default())
    }

    /// A text of the encoding itself: nothing that anybody wrote.
    pub(super) fn mark(&mut self, text: &str) -> &mut Self {
        self.encoder.text(text);
        self
    }

    /// A number of the encoding itself: how many fields follow.
    pub(super) fn count(&mut self, number: u64) -> &mut Self {
        self.encoder.number(number);
        self
    }

    /// Something for people alone: it identifies nothing.
    pub(super) fn note(&mut self, name: &str, text: &str) -> &mut Self {
        if text.len() > LONGEST {
            self.fact(name, Value::Long(Digest::of(text.as_bytes())));
        } else if !text.is_empty() {
            self.fact(name, Value::Text(text.to_owned()));
        }
        self
    }

    /// The identity, and the facts.
    pub(super) fn finish(self) -> (LayerId, Vec<Fact>) {
        (self.encoder.finish(), self.facts)
    }

    fn fact(&mut self, name: &str, value: Value) {
        let name = name.to_owned();
        self.facts.push(Fact { name, value });
    }
}
