//! Patterns of `.dockerignore`: judged as `image-runtime`'s `context/ignore/pattern.rs` judges them when it builds.

use super::plain::no_nul;
use crate::diag::Fault;

/// A pattern as `ignore` takes it.
pub(crate) fn pattern(text: &str) -> Result<(), Fault> {
    let line = text.trim();
    if line.is_empty() {
        return Err(Fault::new("a pattern must not be empty"));
    }
    let path = line.strip_prefix('!').unwrap_or(line).trim();
    if path.is_empty() {
        return Err(
            Fault::new("the pattern `!` excepts nothing").help("write what to keep after the `!`")
        );
    }
    no_nul("a pattern", text)?;
    tokens(&clean(path)).map_err(|reason| {
        let literal = path.contains('[') && !path.contains(['\\', ']']);
        Fault::new(format!("{text:?} is not a pattern: {reason}"))
            .maybe_help(literal.then(|| "`\\[` stands for a `[` itself".to_owned()))
    })
}

/// Removes `.` and empty names, and `..` with the name before it: what they held counts for nothing.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

fn tokens(pattern: &str) -> Result<(), &'static str> {
    let mut rest = pattern.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '[' => class(&mut rest)?,
            '\\' if rest.next().is_none() => return Err("a character must follow the `\\`"),
            _ => {}
        }
    }
    Ok(())
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// A class, after its `[`.
fn class(rest: &mut Chars<'_>) -> Result<(), &'static str> {
    rest.next_if_eq(&'^');
    let mut empty = true;
    while empty || rest.next_if_eq(&']').is_none() {
        let low = class_char(rest)?;
        let high = match rest.next_if_eq(&'-') {
            Some(_) => class_char(rest)?,
            None => low,
        };
        if high < low {
            return Err("a range in `[ ]` must not run backwards");
        }
        empty = false;
    }
    Ok(())
}

fn class_char(rest: &mut Chars<'_>) -> Result<char, &'static str> {
    match rest.next() {
        Some('-' | ']') => Err("`-` and `]` need a `\\` before them inside `[ ]`"),
        Some('\\') => rest.next().ok_or("a `[` must be closed"),
        Some(char) => Ok(char),
        None => Err("a `[` must be closed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_what_a_build_takes() {
        for good in [
            "*.pyc", "!keep", " ! keep ", "**/x", "/", ".", "..", "[a-z]", "[^a-z]*", "[\\]a]",
            "[a\\-]", "[[]", "]", "\\[", "[/../a", "é?",
        ] {
            assert_eq!(pattern(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_as_a_build_refuses_it() {
        for bad in [
            "",
            " ",
            "!",
            " ! ",
            "a\0",
            "[",
            "[^",
            "[^bc",
            "a[",
            "[]a]",
            "[-]",
            "[x-]",
            "[-x]",
            "[a-b-c]",
            "\\",
            "a\\/",
            "[Local-Only]",
        ] {
            assert!(pattern(bad).is_err(), "{bad:?}");
        }
    }
}
