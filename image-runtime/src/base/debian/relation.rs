//! Relations between packages: `libc6 (>= 2.36)`.

use std::cmp::Ordering;

use super::version;

/// A package's name, perhaps with a demand on its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) version: Option<(Operator, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

impl Relation {
    /// Whether a package of this version, of the right name, will do.
    pub(super) fn accepts(&self, candidate: &str) -> bool {
        let Some((operator, wanted)) = &self.version else {
            return true;
        };
        let order = version::compare(candidate, wanted);
        match operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierOrEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterOrEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }

    /// Whether a `Provides` of the right name will do: it counts as a version only if it names one.
    pub(super) fn accepts_provided(&self, provided: &Self) -> bool {
        match &provided.version {
            Some((_, version)) => self.accepts(version),
            None => self.version.is_none(),
        }
    }
}

/// Reads a field such as `Depends`: what is needed, and the alternatives of each.
///
/// # Errors
/// The relation that cannot be read.
pub(super) fn relations(field: &str) -> Result<Vec<Vec<Relation>>, String> {
    field
        .split(',')
        .map(str::trim)
        .filter(|group| !group.is_empty())
        .map(|group| {
            group
                .split('|')
                .map(|one| relation(one.trim()).ok_or_else(|| one.trim().to_owned()))
                .collect()
        })
        .collect()
}

fn relation(text: &str) -> Option<Relation> {
    let (name, version) = match text.split_once('(') {
        Some((name, version)) => (
            name.trim(),
            Some(demand(version.strip_suffix(')')?.trim())?),
        ),
        None => (text, None),
    };
    // `python3:any` asks for no architecture in particular, and there is only one here.
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| Relation {
        name: name.to_owned(),
        version,
    })
}

fn demand(text: &str) -> Option<(Operator, String)> {
    let at = text.find(|letter| !"<>=".contains(letter))?;
    let operator = match &text[..at] {
        "<<" => Operator::Earlier,
        "<=" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    Some((operator, text[at..].trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_and_versions_are_read() {
        let read = relations("libc6 (>= 2.36), gpgv | gpgv2 (<< 3~), perl:any").unwrap();
        let names: Vec<Vec<&str>> = read
            .iter()
            .map(|group| group.iter().map(|one| one.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["libc6"], vec!["gpgv", "gpgv2"], vec!["perl"]]);
        assert!(read[0][0].accepts("2.36-9") && !read[0][0].accepts("2.35"));
        assert!(read[1][1].accepts("3~~") && !read[1][1].accepts("3"));
    }

    #[test]
    fn what_is_provided_without_a_version_satisfies_no_demand_on_it() {
        let plain = relation("awk").unwrap();
        let exact = relation("awk (= 1)").unwrap();
        assert!(plain.accepts_provided(&plain) && plain.accepts_provided(&exact));
        assert!(exact.accepts_provided(&exact) && !exact.accepts_provided(&plain));
    }

    #[test]
    fn a_malformed_relation_is_named() {
        for bad in [
            "libc6 (>= 2.36",
            "libc6 (~ 2)",
            "two words",
            "(= 1)",
            "a (>=)",
        ] {
            assert_eq!(relations(&format!("good, {bad}")), Err(bad.to_owned()));
        }
    }
}
