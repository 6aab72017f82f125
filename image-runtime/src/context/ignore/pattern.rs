//! One pattern of `.dockerignore`: parsed once, matched against many paths. What is no pattern here, `image-macros/src/text/ignore.rs`
//! refuses while compiling.

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no pattern: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

/// One pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Whether it takes in what patterns before it left out.
    pub(super) exception: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
enum Token {
    /// This character.
    Char(char),
    /// `?`: any character but `/`.
    Any,
    /// `[a-z]`: a character of these ranges, or with `^` of none of them. Unlike `?`, a negated class takes `/` too.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// `*`: any number of characters but `/`.
    Name,
    /// `**` with something after it: nothing, or any characters up to a `/`.
    Folders,
    /// `**` at the end: anything.
    Anything,
}

impl Pattern {
    /// Parses a line; an empty one is no pattern.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, PatternError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let (exception, path) = match line.strip_prefix('!') {
            Some(path) => (true, path.trim()),
            None => (false, line),
        };
        let error = |reason| PatternError {
            pattern: line.to_owned(),
            reason,
        };
        if path.is_empty() {
            return Err(error("a path must follow the `!`"));
        }
        let path = clean(path);
        let relative = path.strip_prefix('/').filter(|rest| !rest.is_empty());
        let tokens = tokens(relative.unwrap_or(&path)).map_err(error)?;
        Ok(Some(Self { exception, tokens }))
    }

    /// Whether the whole path matches.
    pub(super) fn matches(&self, path: &[char]) -> bool {
        matches(&self.tokens, path)
    }

    /// What every path that matches starts with.
    pub(super) fn literal_start(&self) -> String {
        self.tokens
            .iter()
            .map_while(|token| match token {
                Token::Char(char) => Some(*char),
                _ => None,
            })
            .collect()
    }
}

/// A pattern of one name, as `COPY` takes it: `**` is no more than `*`, and nothing is an exception.
#[derive(Clone, Debug)]
pub struct NamePattern(Vec<Token>);

impl NamePattern {
    /// Parses it.
    ///
    /// # Errors
    /// It is no pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut single = text.to_owned();
        while single.contains("**") {
            single = single.replace("**", "*");
        }
        let error = |reason| PatternError {
            pattern: text.to_owned(),
            reason,
        };
        tokens(&single).map(Self).map_err(error)
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.0, &name.chars().collect::<Vec<_>>())
    }
}

/// Removes `.` and empty names, and `..` with the name before it, without looking at any file (Go's `filepath.Clean`).
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if rooted => {}
            _ => names.push(name),
        }
    }
    match (rooted, names.is_empty()) {
        (true, _) => format!("/{}", names.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => names.join("/"),
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    // `**name` matches whatever ends in `name`, unless more wildcards follow; then `**` stands for whole directories.
    if let Some(end) = pattern.strip_prefix("**")
        && !end.starts_with('/')
        && !end.contains(['*', '?', '[', ']', '\\'])
    {
        return Ok(std::iter::once(Token::Anything)
            .chain(end.chars().map(Token::Char))
            .collect());
    }
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(char) = rest.next() {
        tokens.push(match char {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                if rest.peek().is_some() {
                    Token::Folders
                } else {
                    Token::Anything
                }
            }
            '*' => Token::Name,
            '?' => Token::Any,
            '[' => class(&mut rest)?,
            '\\' => Token::Char(rest.next().ok_or("a character must follow the `\\`")?),
            char => Token::Char(char),
        });
    }
    Ok(tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// A class, after its `[`.
fn class(rest: &mut Chars<'_>) -> Result<Token, &'static str> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let low = class_char(rest)?;
        let high = match rest.next_if_eq(&'-') {
            Some(_) => class_char(rest)?,
            None => low,
        };
        if high < low {
            return Err("a range in `[ ]` must not run backwards");
        }
        ranges.push((low, high));
    }
    Ok(Token::Class { ranges, negated })
}

fn class_char(rest: &mut Chars<'_>) -> Result<char, &'static str> {
    match rest.next() {
        Some('-' | ']') => Err("`-` and `]` need a `\\` before them inside `[ ]`"),
        Some('\\') => rest.next().ok_or("a `[` must be closed"),
        Some(char) => Ok(char),
        None => Err("a `[` must be closed"),
    }
}

fn matches(tokens: &[Token], path: &[char]) -> bool {
    let Some((token, tokens)) = tokens.split_first() else {
        return path.is_empty();
    };
    let one = |accept: &dyn Fn(char) -> bool| {
        path.split_first()
            .is_some_and(|(char, path)| accept(*char) && matches(tokens, path))
    };
    match token {
        Token::Char(wanted) => one(&|char| char == *wanted),
        Token::Any => one(&|char| char != '/'),
        Token::Class { ranges, negated } => one(&|char| {
            ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&char))
                != *negated
        }),
        Token::Name => {
            let longest = path
                .iter()
                .position(|char| *char == '/')
                .unwrap_or(path.len());
            (0..=longest).any(|length| matches(tokens, &path[length..]))
        }
        Token::Folders => {
            let after = |(index, char): (usize, &char)| (*char == '/').then_some(index + 1);
            std::iter::once(0)
                .chain(path.iter().enumerate().filter_map(after))
                .any(|start| matches(tokens, &path[start..]))
        }
        Token::Anything => (0..=path.len()).any(|length| matches(tokens, &path[length..])),
    }
}
