//! What a file of Python defines, as far as one can see it without running it: lines that begin with `def` or `async def`.

/// A function of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Counted from 1.
    pub(super) line: usize,
    /// Nothing where they are written in a way that is not understood here.
    pub(super) parameters: Option<Parameters>,
}

/// What a function takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) positional: Vec<Parameter>,
    /// Whether there is an `*args`.
    pub(super) takes_more: bool,
    /// Those without default that are given by name only.
    pub(super) keyword_only: Vec<String>,
}

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) has_default: bool,
}

/// The function of a name; the last one, where there are several: that is the one that stays.
pub(super) fn find(text: &str, name: &str) -> Option<Definition> {
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
    let rest = rest
        .strip_prefix("def")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let (name, after) = rest.split_at(end);
    // `def f[T](…)` is a function, too.
    after.trim_start().starts_with(['(', '[']).then_some(name)
}

/// Reads parameters up to the parenthesis that closes them.
fn parameters(text: &str) -> Option<Parameters> {
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
            name if !by_name_only => parameters.positional.push(Parameter {
                name: name.to_owned(),
                has_default,
            }),
            name if !has_default => parameters.keyword_only.push(name.to_owned()),
            _ => {}
        }
    }
    Some(parameters)
}

/// What stands between the commas, without comments, and with empty strings for all others. Nothing where a string is of a kind that is
/// seldom a default.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' => {
                while let Some(inside) = rest.next_if(|inside| *inside != c && *inside != '\n') {
                    if inside == '\\' {
                        rest.next();
                    }
                }
                rest.next_if_eq(&c)?;
                if rest.peek() == Some(&c) {
                    return None;
                }
            }
            ')' if depth == 0 => return Some(parts),
            ',' if depth == 0 => parts.push(String::new()),
            c => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                parts.last_mut()?.push(c);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, name: &str) -> Option<String> {
        let positional = find(text, name)?.parameters?.positional;
        let names: Vec<_> = positional.into_iter().map(|p| p.name).collect();
        Some(names.join(" "))
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
        assert_eq!(names(text, "f"), Some("a b c d".into()));
        let parameters = find("def f(a, *args, b, c=1, **rest): ...", "f")
            .unwrap()
            .parameters
            .unwrap();
        assert!(parameters.takes_more);
        assert_eq!(parameters.keyword_only, ["b"]);
        let text = "def f(a=\")\", # why, and how)\n b: 'str' = '\\''): ...";
        assert_eq!(names(text, "f"), Some("a b".into()));
        assert_eq!(names("def f(): ...", "f"), Some(String::new()));
    }

    #[test]
    fn what_is_not_understood_is_not_compared() {
        for text in ["def f(a=\"\"\")\"\"\"): ...", "def f(a=\")", "def f(a"] {
            assert_eq!(find(text, "f").unwrap().parameters, None, "{text}");
        }
    }
}
