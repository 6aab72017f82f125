//! The table of builder versions: everything a builder version pins. An image that names one is built alike for ever, so a
//! row never changes once it is released.

use quote::format_ident;
use syn::LitStr;

use super::model::{Argument, Call};
use crate::advice::Advice;
use crate::diag::{Errors, Fault, did_you_mean, list};
use crate::keyword::Checked;

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Builder {
    pub(crate) name: &'static str,
    /// The Debian suite.
    pub(crate) suite: &'static str,
    pub(crate) pip: &'static str,
    pub(crate) uv: &'static str,
    /// The version of py-rattler, which installs conda packages.
    pub(crate) conda: &'static str,
    /// The exact Python of each series.
    pythons: &'static [(&'static str, &'static str)],
    /// Why it should not be used any more.
    deprecated: Option<&'static str>,
}

/// A Python version as a builder version resolves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Python {
    pub(crate) series: &'static str,
    pub(crate) exact: String,
    /// Whether the exact version was asked for.
    pub(crate) pinned: bool,
}

/// One uv for all of them: what it installs is pinned by the requirements, not by its own version.
const UV: &str = "0.13.9";

/// One tool of conda for all of them: what it installs is what channels have.
const CONDA: &str = "0.28.0";

const DEFAULT: &str = "2024.10";

/// The Python of an image that needs one and names none.
const DEFAULT_SERIES: &str = "3.11";

const NEWEST_PYTHONS: &[(&str, &str)] = &[
    ("3.10", "3.10.17"),
    ("3.11", "3.11.12"),
    ("3.12", "3.12.10"),
    ("3.13", "3.13.3"),
];

const BUILDERS: &[Builder] = &[
    Builder {
        name: "2023.12",
        suite: "bullseye",
        pip: "23.1.2",
        uv: UV,
        conda: CONDA,
        pythons: &[("3.10", "3.10.8"), ("3.11", "3.11.0"), ("3.12", "3.12.1")],
        deprecated: Some(
            "builder version 2023.12 is deprecated: Debian bullseye gets no more updates; use 2024.10",
        ),
    },
    Builder {
        name: "2024.04",
        suite: "bookworm",
        pip: "24.0",
        uv: UV,
        conda: CONDA,
        pythons: &[("3.10", "3.10.14"), ("3.11", "3.11.8"), ("3.12", "3.12.2")],
        deprecated: None,
    },
    Builder {
        name: DEFAULT,
        suite: "bookworm",
        pip: "24.2",
        uv: UV,
        conda: CONDA,
        pythons: &[
            ("3.10", "3.10.15"),
            ("3.11", "3.11.10"),
            ("3.12", "3.12.6"),
            ("3.13", "3.13.0"),
        ],
        deprecated: None,
    },
    Builder {
        name: "2025.06",
        suite: "bookworm",
        pip: "25.1.1",
        uv: UV,
        conda: CONDA,
        pythons: NEWEST_PYTHONS,
        deprecated: None,
    },
    Builder {
        name: "PREVIEW",
        suite: "bookworm",
        pip: "25.1.1",
        uv: UV,
        conda: CONDA,
        pythons: NEWEST_PYTHONS,
        deprecated: None,
    },
];

impl Builder {
    fn find(name: &str) -> Option<&'static Self> {
        BUILDERS.iter().find(|builder| builder.name == name)
    }

    /// The Python of an image that needs one and names none.
    pub(crate) fn default_python(&self) -> Python {
        self.python(DEFAULT_SERIES)
            .expect("every builder version has the default series, as a test says")
    }

    /// The Python that `text` asks for: a series, or an exact version of a series that is there.
    fn python(&self, text: &str) -> Result<Python, Fault> {
        python_version(text)?;
        let numbers = numbers(text).unwrap_or_default();
        let pinned = numbers.len() == 3;
        let wanted = numbers[..2].join(".");
        match self.pythons.iter().find(|(series, _)| *series == wanted) {
            Some((series, exact)) => Ok(Python {
                series,
                exact: if pinned { text } else { exact }.to_owned(),
                pinned,
            }),
            None => Err(Fault::new(format!(
                "builder version {} has no Python {wanted}",
                self.name
            ))
            .help(format!("it has {}", list(self.series())))),
        }
    }

    /// The Python series it has.
    pub(crate) fn series(&self) -> impl Iterator<Item = &'static str> {
        self.pythons.iter().map(|(series, _)| *series)
    }
}

/// A builder version, as it is written.
pub(crate) fn version(text: &str) -> Result<(), Fault> {
    match Builder::find(text) {
        Some(_) => Ok(()),
        None => Err(unknown(text)),
    }
}

/// A Python version, as far as no builder version says which there are.
pub(crate) fn python_version(text: &str) -> Result<(), Fault> {
    if numbers(text).is_some() {
        return Ok(());
    }
    let default = Builder::find(DEFAULT).expect("the default is a row of the table");
    Err(
        Fault::new(format!("{text:?} is not a Python version")).help(format!(
            "a series ({}) or an exact version such as `3.11.7`",
            list(default.series())
        )),
    )
}

/// `3.11` or `3.11.7`
fn numbers(text: &str) -> Option<Vec<&str>> {
    let numbers: Vec<_> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fits = (2..=3).contains(&numbers.len()) && numbers.iter().all(number);
    fits.then_some(numbers)
}

/// Resolves the builder version and the Python of `debian_slim` and of `micromamba`.
pub(crate) fn resolve(call: &mut Call, errors: &mut Errors) {
    let default = Builder::find(DEFAULT).expect("the default is a row of the table");
    // Which one a wrong keyword was to name is not known.
    let mut builder = call.is_whole.then_some(default);
    if let Some((_, argument)) = call.keyword("builder_version")
        && let Argument::Checked(Checked::Text(text)) = argument
    {
        let text = text.clone();
        builder = Builder::find(&text.value());
        if let Some(found) = builder {
            *argument = Argument::Builder(found);
            let advice = found.deprecated.map(|note| advice(found, &text, note));
            call.advice.extend(advice);
        }
    }
    call.positional.push(Argument::Builder(default));
    if let Some(builder) = builder
        && let Some((_, argument)) = call.keyword("python_version")
        && let Argument::Checked(Checked::Text(text)) = argument
    {
        match builder.python(&text.value()) {
            Ok(python) => *argument = Argument::Python(python),
            Err(fault) => errors.at(text, fault),
        }
    }
}

/// Resolves the Python that is put into an image of others: as the default builder version has it.
pub(crate) fn add_python(call: &mut Call, errors: &mut Errors) {
    let builder = Builder::find(DEFAULT).expect("the default is a row of the table");
    if let Some((_, argument)) = call.keyword("add_python")
        && let Argument::Checked(Checked::Text(text)) = argument
    {
        match builder.python(&text.value()) {
            Ok(python) => *argument = Argument::Python(python),
            Err(fault) => errors.at(text, fault),
        }
    }
}

fn advice(builder: &Builder, text: &LitStr, note: &'static str) -> Advice {
    Advice {
        name: format_ident!(
            "builder_version_{}",
            builder.name.replace('.', "_"),
            span = text.span()
        ),
        note: note.to_owned(),
    }
}

fn unknown(name: &str) -> Fault {
    let known = BUILDERS.iter().map(|builder| builder.name);
    let upper = name.to_ascii_uppercase();
    Fault::new(format!("unknown builder version `{name}`")).help(match Builder::find(&upper) {
        Some(_) => did_you_mean(&upper, "builder versions", known),
        // Nearest among years would be a guess: show all of them.
        None => format!("builder versions: {}", list(known)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builder_version_has_the_default_python() {
        for builder in BUILDERS {
            assert!(!builder.default_python().pinned, "{}", builder.name);
        }
    }

    #[test]
    fn a_series_is_resolved_and_an_exact_version_kept() {
        let builder = Builder::find(DEFAULT).unwrap();
        let python = |text| builder.python(text).unwrap();
        assert_eq!(
            (python("3.12").exact.as_str(), python("3.12").pinned),
            ("3.12.6", false)
        );
        assert_eq!(
            (python("3.11.7").exact.as_str(), python("3.11.7").pinned),
            ("3.11.7", true)
        );
        assert_eq!(python("3.11.7").series, "3.11");
        for bad in [
            "3", "", "3.", "3.x", "3.9", "3.9.1", "3.11.7.1", "v3.11", "3.11rc1", "2.7",
        ] {
            assert!(builder.python(bad).is_err(), "{bad}");
        }
    }
}
