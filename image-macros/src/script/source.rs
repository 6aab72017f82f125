//! What a file of Python defines, as far as one can see it without running it.

/// A file, as its statements.
pub(super) struct Source {
    statements: Vec<Statement>,
}

/// A statement up to the end of its line.
struct Statement {
    /// Counted from 1.
    line: usize,
    is_indented: bool,
    /// On one line, without comments, and with empty strings for all others.
    text: String,
}

/// What has a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Function(Definition),
    /// The line of a class.
    Class(usize),
    /// The line of a function that stands in another, in a class or under a condition.
    Inside(usize),
    /// The line of an assignment or of an import.
    Value(usize),
}

/// A function of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Counted from 1.
    pub(super) line: usize,
    /// Nothing where they are written in a way that is not understood here, or a decorator may change them.
    pub(super) parameters: Option<Parameters>,
}

/// What a function takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) positional: Vec<Parameter>,
    /// Whether there is an `*args`.
    pub(super) takes_more: bool,
    /// Those that are given by name only.
    pub(super) by_name: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) has_default: bool,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        Self {
            statements: statements(text),
        }
    }

    /// What has a name; a function at the top level comes first, and of several the last: that is the one that stays.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let mut other = None;
        for (index, statement) in self.statements.iter().enumerate().rev() {
            let Statement {
                line, is_indented, ..
            } = *statement;
            if statement.defined() == Some(name) {
                if !is_indented {
                    return Some(Found::Function(self.definition(index)));
                }
                other = other.or(Some(Found::Inside(line)));
            }
            if !is_indented && statement.class() == Some(name) {
                other = Some(Found::Class(line));
            }
            if !is_indented && statement.makes(name) {
                other = other.or(Some(Found::Value(line)));
            }
        }
        other
    }

    /// The names of all functions.
    pub(super) fn functions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for statement in self.statements.iter().filter(|s| !s.is_indented) {
            names.extend(statement.defined().filter(|name| !names.contains(name)));
        }
        names
    }

    fn definition(&self, index: usize) -> Definition {
        let statement = &self.statements[index];
        let above = index
            .checked_sub(1)
            .map(|above| self.statements[above].text.as_str());
        let is_decorated = above.is_some_and(|text| text.starts_with('@'));
        Definition {
            line: statement.line,
            parameters: match is_decorated {
                true => None,
                false => statement
                    .after_name()
                    .and_then(|(_, after)| parameters(after)),
            },
        }
    }
}

impl Statement {
    /// The name of the function that it begins to define.
    fn defined(&self) -> Option<&str> {
        self.after_name().map(|(name, _)| name)
    }

    /// The name of the function that it begins to define, and what follows.
    fn after_name(&self) -> Option<(&str, &str)> {
        let rest = word(&self.text, "async").unwrap_or(&self.text);
        let (name, after) = name(word(rest, "def")?)?;
        // `def f[T](…)` is a function, too.
        after.starts_with(['(', '[']).then_some((name, after))
    }

    fn class(&self) -> Option<&str> {
        Some(name(word(&self.text, "class")?)?.0)
    }

    /// Whether it assigns or imports a name.
    fn makes(&self, wanted: &str) -> bool {
        let is_import = self.text.starts_with("import ") || self.text.starts_with("from ");
        if is_import {
            let last = |part: &str| part.split_whitespace().next_back() == Some(wanted);
            let names = self.text.rsplit("import ").next().unwrap_or_default();
            return names.trim_matches(['(', ')', ' ']).split(',').any(last);
        }
        name(&self.text).is_some_and(|(name, after)| {
            name == wanted && after.starts_with('=') && !after.starts_with("==")
        })
    }
}

/// What follows a word.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    rest.starts_with([' ', '\t']).then(|| rest.trim_start())
}

/// A name and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    (!name.is_empty()).then(|| (name, after.trim_start()))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn statements(text: &str) -> Vec<Statement> {
    // As Python itself reads a file.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut statements = Vec::new();
    let (mut line, mut depth) = (1, 0_u32);
    let mut begun = Statement::at(line);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            '"' | '\'' => {
                line += skip_string(c, &mut rest);
                begun.text.push_str("\"\"");
            }
            '\\' if rest.next_if_eq(&'\n').is_some() => {
                line += 1;
                begun.text.push(' ');
            }
            '\n' => {
                line += 1;
                if depth > 0 {
                    begun.text.push(' ');
                    continue;
                }
                statements.push(std::mem::replace(&mut begun, Statement::at(line)));
            }
            ' ' | '\t' if begun.text.is_empty() => begun.is_indented = true,
            // After a new page a line begins anew.
            '\u{c}' if begun.text.is_empty() => begun.is_indented = false,
            c => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                begun.text.push(c);
            }
        }
    }
    statements.push(begun);
    statements.retain(|statement| !statement.text.is_empty());
    statements
}

impl Statement {
    fn at(line: usize) -> Self {
        Self {
            line,
            is_indented: false,
            text: String::new(),
        }
    }
}

/// Skips what follows the first quote of a string; answers how many lines end in it.
fn skip_string(quote: char, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut is_long = false;
    if rest.next_if_eq(&quote).is_some() {
        is_long = rest.next_if_eq(&quote).is_some();
        if !is_long {
            return 0;
        }
    }
    let (mut lines, mut quotes) = (0, 0);
    while let Some(c) = rest.next_if(|c| is_long || *c != '\n') {
        quotes = if c == quote { quotes + 1 } else { 0 };
        lines += usize::from(c == '\n');
        if quotes == if is_long { 3 } else { 1 } {
            break;
        }
        if c == '\\' {
            lines += usize::from(rest.next() == Some('\n'));
        }
    }
    lines
}

/// Reads parameters up to the parenthesis that closes them.
fn parameters(text: &str) -> Option<Parameters> {
    let mut parameters = Parameters::default();
    let mut by_name_only = false;
    for part in parts(text)? {
        let (name, has_default) = (part.name.trim(), part.has_default);
        match name {
            "" | "/" => {}
            "*" => by_name_only = true,
            name if name.starts_with("**") => {}
            name if name.starts_with('*') => {
                parameters.takes_more = true;
                by_name_only = true;
            }
            name if !name.chars().all(is_of_name) => return None,
            name => {
                let parameter = Parameter {
                    name: name.to_owned(),
                    has_default,
                };
                match by_name_only {
                    true => parameters.by_name.push(parameter),
                    false => parameters.positional.push(parameter),
                }
            }
        }
    }
    Some(parameters)
}

/// What stands between two commas.
#[derive(Default)]
struct Part {
    /// Up to the annotation or the default.
    name: String,
    is_annotated: bool,
    has_default: bool,
    /// How many `lambda` wait for their colon: up to there a comma is theirs.
    lambdas: u32,
    word: String,
}

/// Splits what stands between parentheses, after type parameters.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut rest = text.chars();
    let mut depth = 0_u32;
    for c in rest.by_ref() {
        match c {
            '(' if depth == 0 => break,
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    let mut parts = vec![Part::default()];
    depth = 0;
    for c in rest {
        let part = parts.last_mut()?;
        if !is_of_name(c) {
            part.lambdas += u32::from(depth == 0 && part.word == "lambda");
            part.word.clear();
        } else {
            part.word.push(c);
        }
        match c {
            ')' if depth == 0 => return Some(parts),
            ',' if depth == 0 && part.lambdas == 0 => parts.push(Part::default()),
            ':' if depth == 0 && part.lambdas > 0 => part.lambdas -= 1,
            ':' if depth == 0 => part.is_annotated = true,
            '=' if depth == 0 => part.has_default = true,
            c => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                if !part.is_annotated && !part.has_default {
                    part.name.push(c);
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(text: &str, name: &str) -> Definition {
        match Source::read(text).find(name) {
            Some(Found::Function(found)) => found,
            other => panic!("{other:?} in {text}"),
        }
    }

    fn names(text: &str) -> String {
        let parameters = defined(text, "f").parameters.expect(text);
        let shown = |p: &Parameter| match p.has_default {
            true => format!("{}=", p.name),
            false => p.name.clone(),
        };
        let positional = parameters.positional.iter().map(shown);
        let more = parameters.takes_more.then(|| "*".to_owned());
        let by_name = parameters.by_name.iter().map(|p| format!("*{}", shown(p)));
        let all: Vec<_> = positional.chain(more).chain(by_name).collect();
        all.join(" ")
    }

    #[test]
    fn functions_at_the_top_level_are_found() {
        let text = "import os\n\ndef a(): pass\nasync  def b(x): pass\n    def inner(): pass\nclass C:\n  def m(self): ...\ndef generic[T](x: T): ...\ndefine(x)\ndef \\\n  continued(): ...\ndef a(x): ...\n";
        let source = Source::read(text);
        assert_eq!(source.functions(), ["a", "b", "generic", "continued"]);
        assert_eq!(defined(text, "b").line, 4);
        assert_eq!(defined(text, "continued").line, 10);
        // The last of a name is the one that stays.
        assert_eq!(defined(text, "a").line, 12);
    }

    #[test]
    fn marks_of_files_are_none_of_their_statements() {
        let text = "\u{feff}def a(): ...\r\n\u{c}def b(x): ...\r\n  \u{c}def c(): ...\r\n  def d(): ...\r\nt = 'x\\\r\n def e(): ...'\r\ndef \\\r\n  f(y,\r\n z): ...\r\n";
        let source = Source::read(text);
        assert_eq!(source.functions(), ["a", "b", "c", "f"]);
        assert_eq!(names(text), "y z");
        for (name, line) in [("a", 1), ("b", 2), ("c", 3), ("f", 7)] {
            assert_eq!(defined(text, name).line, line, "{name}");
        }
        assert_eq!(source.find("d"), Some(Found::Inside(4)));
        // So ended lines once.
        assert_eq!(defined("def a(): ...\r# why\rdef b(): ...\r", "b").line, 3);
    }

    #[test]
    fn what_is_no_function_of_the_top_level_is_told_apart() {
        let text = "\"\"\"\ndef in_text(): ...\n\"\"\"\nclass C(Base):\n  def m(self): ...\ntry:\n  import x\nexcept ImportError:\n  def f(): ...\ng = partial(h, 1)\nfrom a import (b,\n  c as d)\n";
        let source = Source::read(text);
        for (name, found) in [
            ("in_text", None),
            ("C", Some(Found::Class(4))),
            ("m", Some(Found::Inside(5))),
            ("f", Some(Found::Inside(9))),
            ("g", Some(Found::Value(10))),
            ("b", Some(Found::Value(11))),
            ("d", Some(Found::Value(11))),
            ("c", None),
            ("h", None),
        ] {
            assert_eq!(source.find(name), found, "{name}");
        }
    }

    #[test]
    fn parameters_are_read_however_they_are_written() {
        for (text, expected) in [
            (
                "def f(a, b: dict[str, int] = {1: (2, 3)}, /, c=None,\n      d: int = 3) -> float: ...\n",
                "a b= c= d=",
            ),
            ("def f(a, *args, b, c=1, **rest): ...", "a * *b *c="),
            ("def f(a, *, b): ...", "a *b"),
            (
                "def f(a=\")\", # why, and (how\n b: 'str' = '\\''): ...",
                "a= b=",
            ),
            ("def f(a=\"\"\"x, (\"\"\", b=''): ...", "a= b="),
            ("def f(a=lambda x, y=1: (x, y), b=2): ...", "a= b="),
            ("def f(a: Annotated[int, Field(gt=1)], b): ...", "a b"),
            ("def f[T: (int, str)](a: T): ...", "a"),
            ("async def f(): ...", ""),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }

    #[test]
    fn what_may_be_otherwise_is_not_compared() {
        for text in [
            "def f(a=\")",
            "def f(a",
            "@injected(\n  1\n)\ndef f(a, b): ...",
        ] {
            assert_eq!(defined(text, "f").parameters, None, "{text}");
        }
    }
}
