//! What a macro finds wrong: faults with help, gathered until all of a call are known, reported at the user's tokens.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Something wrong, not yet at a place: checkers of texts return it, whoever holds the token places it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    message: String,
    help: Option<String>,
}

impl Fault {
    /// A fault that one line says.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    /// With what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With what to do about it, where that is known.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// With what it is about before it: the place in a file.
    pub(crate) fn after(mut self, place: &str) -> Self {
        self.message.insert_str(0, place);
        self
    }

    /// The message and, on a line of its own, the help.
    pub(crate) fn text(&self) -> String {
        match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        }
    }
}

/// All faults of one macro call.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// A fault at some tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, fault: Fault) {
        self.syntax(syn::Error::new_spanned(tokens, fault.text()));
    }

    /// A fault at a place.
    pub(crate) fn at_span(&mut self, span: Span, fault: Fault) {
        self.syntax(syn::Error::new(span, fault.text()));
    }

    /// What syn could not parse.
    pub(crate) fn syntax(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// All faults of `other`, after those that are there.
    pub(crate) fn append(&mut self, other: Self) {
        if let Some(errors) = other.0 {
            self.syntax(errors);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` a fault; nothing where there is none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0
            .map_or_else(TokenStream::new, |errors| errors.into_compile_error())
    }
}

/// How similar a name is that was probably meant: it is a slip away.
const NEAR: f64 = 0.8;

/// How similar a name is that may have been meant.
const ALIKE: f64 = 0.65;

/// The name of `known` that was probably meant; of equally near ones, the first.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_similar(name, known, NEAR)
}

fn most_similar<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    least: f64,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (similarity(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > least)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, candidate)| candidate)
}

fn similarity(name: &str, candidate: &str) -> f64 {
    match is_swapped(name, candidate) {
        // In a short name there is little else that could be alike.
        true => 1.0,
        false => strsim::jaro_winkler(name, candidate),
    }
}

/// Whether only two letters beside each other have changed places.
fn is_swapped(name: &str, candidate: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<_> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    strsim::osa_distance(name, candidate) == 1 && sorted(name) == sorted(candidate)
}

/// The help for a name that is not in a closed set: the one that is near, else all of them, the nearest first.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    what: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, known.clone()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("{what}: {}", list(nearest_first(name, known))),
    }
}

/// The names of `known` as they stand there, but for the nearest one, if it is like the name at all.
fn nearest_first<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<_> = known.into_iter().collect();
    let nearest = most_similar(name, known.iter().copied(), ALIKE);
    if let Some(place) = known.iter().position(|known| Some(*known) == nearest) {
        known[..=place].rotate_right(1);
    }
    known
}

/// A word with its article: `a command`, `an instruction`.
pub(crate) fn one(noun: &str) -> String {
    match noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => format!("an {noun}"),
        false => format!("a {noun}"),
    }
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = [
            "apt_install",
            "pip_install",
            "run_commands",
            "run_function",
            "workdir",
        ];
        for (name, expected) in [
            ("apt_instal", Some("apt_install")),
            ("pip_instal", Some("pip_install")),
            ("work_dir", Some("workdir")),
            ("gpu", None),
            ("run", Some("run_commands")),
            ("wrokdir", Some("workdir")),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn of_a_short_name_two_letters_may_have_changed_places() {
        let known = ["RUN", "ENV", "ADD", "CMD"];
        for (name, expected) in [
            ("RNU", Some("RUN")),
            ("EVN", Some("ENV")),
            ("DDA", None),
            ("NUR", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn where_no_name_is_near_one_that_is_alike_is_the_first_of_all() {
        let known = ["image", "timeout", "memory", "name"];
        for (name, all) in [
            ("ram", "`name`, `image`, `timeout` and `memory`"),
            ("parallel", "`image`, `timeout`, `memory` and `name`"),
        ] {
            let help = did_you_mean(name, "keywords", known);
            assert_eq!(help, format!("keywords: {all}"));
        }
        assert_eq!(
            did_you_mean("nam", "keywords", known),
            "did you mean `name`?"
        );
    }

    #[test]
    fn a_list_reads_as_a_sentence() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn every_fault_becomes_one_compile_error() {
        let mut errors = Errors::default();
        errors.at_span(Span::call_site(), Fault::new("first").help("do this"));
        errors.at_span(Span::call_site(), Fault::new("second"));
        let text = errors.into_tokens().to_string();
        assert_eq!(text.matches("compile_error").count(), 2);
        assert!(text.contains("first\\nhelp: do this"), "{text}");
    }
}
