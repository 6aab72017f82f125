//! Which files of a directory are left out: the rules of Docker's `.dockerignore`.
//!
//! Patterns start at the directory that is copied. They are tried in order and the last one that matches decides; `!` makes an
//! exception. A pattern that matches a directory matches all below it. `*` and `?` stay within one name, `**` crosses directories,
//! `[a-z]` is a class that `^` negates, `\` takes the next character as it is. The rules are those of moby's patternmatcher; they
//! differ from `.gitignore`.

mod pattern;

use std::path::Path;

use pattern::Pattern;
pub use pattern::{NamePattern, PatternError};

use super::ContextError;

/// The file in a copied directory whose patterns count.
pub const IGNORE_FILE: &str = ".dockerignore";

/// Patterns, in order.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

/// What is known of a path: whether it is left out, and which patterns matched it or a directory above it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Whether the path is left out.
    pub ignored: bool,
    matched: Vec<bool>,
}

impl Ignore {
    /// The patterns of a directory's `.dockerignore`, if it has one, and then further ones.
    ///
    /// # Errors
    /// A pattern is malformed, or the file cannot be read.
    pub fn of_directory(directory: &Path, more: &[&str]) -> Result<Self, ContextError> {
        let path = directory.join(IGNORE_FILE);
        let mut ignore = Self::of_file(&path)?;
        for pattern in more {
            ignore.add(pattern).map_err(ContextError::IgnorePattern)?;
        }
        Ok(ignore)
    }

    /// The patterns of an ignore file; none where it is not there.
    ///
    /// # Errors
    /// A pattern is malformed, or the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, ContextError> {
        let mut ignore = Self::default();
        match std::fs::read(path) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text);
                let fault = |(line, reason)| ContextError::IgnoreFile {
                    path: path.to_owned(),
                    line,
                    reason,
                };
                ignore.add_file(&text).map_err(fault)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(ContextError::read(path, error)),
        }
        Ok(ignore)
    }

    /// Adds the lines of an ignore file. An error names its line.
    fn add_file(&mut self, text: &str) -> Result<(), (usize, PatternError)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            // Only a `#` in the first column makes a comment.
            if !line.starts_with('#') {
                self.add(line).map_err(|error| (index + 1, error))?;
            }
        }
        Ok(())
    }

    /// Adds one pattern; an empty one adds nothing.
    fn add(&mut self, text: &str) -> Result<(), PatternError> {
        self.patterns.extend(Pattern::parse(text)?);
        Ok(())
    }

    /// Judges a path by its name from the copied directory, without `/` in front or behind. `parent` is the verdict on the
    /// directory it lies in; for what lies in the copied directory itself it is the default.
    pub fn judge(&self, path: &str, parent: &Verdict) -> Verdict {
        let path: Vec<char> = path.chars().collect();
        let mut verdict = Verdict {
            ignored: false,
            matched: vec![false; self.patterns.len()],
        };
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.matched.get(index).copied().unwrap_or_default();
            // A pattern that would not change the verdict is not tried.
            let matched =
                inherited || (pattern.exception == verdict.ignored && pattern.matches(&path));
            verdict.matched[index] = matched;
            if matched {
                verdict.ignored = !pattern.exception;
            }
        }
        verdict
    }

    /// Whether something below a directory that is left out may be taken in by an exception.
    pub fn may_hold_exception(&self, directory: &str) -> bool {
        let below = format!("{directory}/");
        self.patterns
            .iter()
            .filter(|pattern| pattern.exception)
            .map(Pattern::literal_start)
            .any(|start| start.starts_with(&below) || below.starts_with(&start))
    }

    /// Whether there is nothing to judge.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

#[cfg(test)]
mod tests;
