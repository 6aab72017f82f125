//! What a file of Python defines, as far as one can see it without running it: lines that begin with `def` or `async def`.

/// A function of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition<'a> {
    /// Counted from 1.
    pub(super) line: usize,
    /// Nothing where they are written in a way that is not understood here.
    pub(super) parameters: Option<Parameters<'a>>,
}

/// What a function takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a> {
    pub(super) positional: Vec<Parameter<'a>>,
    /// Whether there is an `*args`.
    pub(super) takes_more: bool,
    /// Those without default that are given by name only.
    pub(super) keyword_only: Vec<&'a str>,
}

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) has_default: bool,
}

/// The function of a name; the last one, where there are several: that is the one that stays.
pub(super) fn find<'a>(text: &'a str, name: &str) -> Option<Definition<'a>> {
    let mut found = None;
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if defined(line) == Some(name) {
            found = Some((index, start));
        }
        start += line.len();
    }
    let (index, start) = found?;
    let open = text[start..].find('(').map(|open| start + open + 1);
    Some(Definition {
        line: index + 1,
        parameters: open.and_then(|open| parameters(&text[open..])),
    })
}

/// The names of all functions.
pub(super) fn functions(text: &str) -> Vec<&str> {
    text.lines().filter_map(defined).collect()
}

/// The name of the function that a line begins to define.
fn defined(line: &str) -> Option<&str> {
    let rest = match line.strip_prefix("async") {
        Some(rest) => rest.strip_prefix([' ', '\t'])?.trim_start(),
        None => line,
    };
    let rest = rest.strip_prefix("def")?.strip_prefix([' ', '\t'])?.trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let (name, after) = rest.split_at(end);
    // `def f[T](…)` is a function, too.
    after.trim_start().starts_with(['(', '[']).then_some(name)
}

/// Reads parameters up to the parenthesis that closes them. Strings in them may hold anything, so one ends what is understood.
fn parameters(text: &str) -> Option<Parameters<'_>> {
    let mut parameters = Parameters::default();
    let mut by_name_only = false;
    for part in parts(text)? {
        let name_end = part.find([':', '=']).unwrap_or(part.len());
        let (name, rest) = part.split_at(name_end);
        let (name, has_default) = (name.trim(), rest.contains('='));
        match name {
            "" => {}
            "/" => {}
            "*" => by_name_only = true,
            name if name.starts_with("**") => {}
            name if name.starts_with('*') => {
                parameters.takes_more = true;
                by_name_only = true;
            }
            name if !name.chars().all(|c| c.is_alphanumeric() || c == '_') => return None,
            name if !by_name_only => parameters.positional.push(Parameter { name, has_default }),
            name if !has_default => parameters.keyword_only.push(name),
            _ => {}
        }
    }
    Some(parameters)
}

/// What stands between the commas, without comments.
fn parts(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '"' | '\'' | '#' | '\\' => return None,
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                parts.push(&text[start..at]);
                return Some(parts);
            }
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
        let parameters = find(text, name)?.parameters?;
        Some(parameters.positional.into_iter().map(|p| p.name).collect())
    }

    #[test]
    fn functions_at_the_top_level_are_found() {
        let text = "import os\n\ndef a(): pass\nasync  def b(x): pass\n    def inner(): pass\nclass C:\n  def m(self): ...\ndef generic[T](x: T): ...\ndefine(x)\n";
        assert_eq!(functions(text), ["a", "b", "generic"]);
        assert_eq!(find(text, "b").map(|found| found.line), Some(4));
        assert_eq!(find(text, "inner"), None);
    }

    #[test]
    fn parameters_are_read_however_they_are_annotated() {
        let text = "def f(a, b: dict[str, int] = {1: (2, 3)}, /, c=None,\n      d: int = 3) -> float: ...\n";
        assert_eq!(names(text, "f"), Some(vec!["a", "b", "c", "d"]));
        let parameters = find("def f(a, *args, b, c=1, **rest): ...", "f").unwrap().parameters.unwrap();
        assert!(parameters.takes_more);
        assert_eq!(parameters.keyword_only, ["b"]);
        assert_eq!(names("def f(): ...", "f"), Some(vec![]));
    }

    #[test]
    fn what_is_not_understood_is_not_compared() {
        for text in ["def f(a=\")\"): ...", "def f(a, # why\n b): ...", "def f(a"] {
            assert_eq!(find(text, "f").unwrap().parameters, None, "{text}");
        }
    }
}
