//! The lines of a Dockerfile: directives, comments, continuations, here-documents.

use super::words;
use super::{Problem, Result};
use crate::diag::Fault;

/// One instruction: its line joined of all it was written on, and the documents that follow it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: u32,
    /// `RUN`, in upper case.
    pub(super) keyword: String,
    /// What follows the keyword.
    pub(super) rest: String,
    /// The here-documents it names, in order.
    pub(super) documents: Vec<Document>,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// The word that names and ends it.
    pub(super) name: String,
    /// Whether variables in it count: its name was not quoted.
    pub(super) expands: bool,
    /// Whether tabs that lines start with were taken away.
    pub(super) without_tabs: bool,
    /// The text.
    pub(super) content: String,
}

/// A text as instructions.
pub(super) struct Lines {
    pub(super) all: Vec<Line>,
    pub(super) escape: char,
    /// A here-document that does not end: all that follows it is part of it.
    pub(super) unended: Option<Problem>,
}

/// Splits a text into instructions.
pub(super) fn split(text: &str) -> Result<Lines> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut physical = (1..).zip(text.lines()).peekable();
    let escape = escape(text)?;
    let mut all = Vec::new();
    let mut unended = None;
    while let Some((number, line)) = physical.next() {
        let line = line.trim_start();
        if line.trim_end().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = String::new();
        let mut part = line;
        loop {
            let continued = without_escape(part, escape);
            whole.push_str(continued.unwrap_or(part));
            if continued.is_none() {
                break;
            }
            // Comments and empty lines between the parts count for nothing.
            let next = physical
                .by_ref()
                .map(|(_, next)| next)
                .find(|next| !next.trim().is_empty() && !next.trim_start().starts_with('#'));
            match next {
                Some(next) => part = next,
                None => break,
            }
        }
        let whole = whole.trim();
        let (keyword, rest) = whole
            .split_once(|c: char| c.is_whitespace())
            .unwrap_or((whole, ""));
        let keyword = keyword.to_ascii_uppercase();
        let rest = rest.trim_start();
        let mut documents = Vec::new();
        if matches!(&*keyword, "RUN" | "COPY" | "ADD") {
            for mut document in begun(rest, escape) {
                match content(&document, &mut physical) {
                    Some(content) => document.content = content,
                    None => unended = unended.or_else(|| Some(does_not_end(&document, number))),
                }
                documents.push(document);
            }
        }
        if unended.is_some() {
            break;
        }
        all.push(Line {
            number,
            keyword,
            rest: rest.to_owned(),
            documents,
        });
    }
    Ok(Lines {
        all,
        escape,
        unended,
    })
}

fn does_not_end(document: &Document, number: u32) -> Problem {
    let name = &document.name;
    let fault = Fault::new(format!("the here-document `{name}` does not end"));
    Problem::at(
        number,
        fault.help(format!("a line with `{name}` alone ends it")),
    )
}

/// `# escape=` among the directives, which are the first lines.
fn escape(text: &str) -> Result<char> {
    for (number, line) in (1..).zip(text.lines()) {
        let Some((name, value)) = line
            .trim()
            .strip_prefix('#')
            .and_then(|directive| directive.split_once('='))
        else {
            break;
        };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            break;
        }
        if name.eq_ignore_ascii_case("escape") {
            return match value.trim() {
                "\\" => Ok('\\'),
                "`" => Ok('`'),
                other => Err(Problem::at(
                    number,
                    Fault::new(format!("`escape` must be `\\` or `` ` ``, not {other:?}")),
                )),
            };
        }
    }
    Ok('\\')
}

/// The line without the escape character that joins the next one to it.
fn without_escape(line: &str, escape: char) -> Option<&str> {
    let joined = line
        .trim_end_matches([' ', '\t', '\r'])
        .strip_suffix(escape)?;
    (!joined.ends_with(escape)).then_some(joined)
}

/// The here-documents that a line begins: words such as `<<EOF`, `<<-"EOF"` and `3<<EOF`.
fn begun(rest: &str, escape: char) -> Vec<Document> {
    words::split(rest, escape)
        .iter()
        .filter_map(|word| {
            let (digits, name) = word.split_once("<<")?;
            let name_after_dash = name.strip_prefix('-');
            let quoted = name_after_dash.unwrap_or(name);
            let name = words::unquoted(quoted, escape);
            let fits = digits.bytes().all(|byte| byte.is_ascii_digit())
                && !name.is_empty()
                && !name.contains(['<', ' ']);
            fits.then(|| Document {
                expands: name == quoted,
                without_tabs: name_after_dash.is_some(),
                name,
                content: String::new(),
            })
        })
        .collect()
}

fn content<'a>(
    document: &Document,
    lines: &mut impl Iterator<Item = (u32, &'a str)>,
) -> Option<String> {
    let mut content = String::new();
    for (_, line) in lines {
        let line = match document.without_tabs {
            true => line.trim_start_matches('\t'),
            false => line,
        };
        if line == document.name {
            return Some(content);
        }
        content.push_str(line);
        content.push('\n');
    }
    None
}
