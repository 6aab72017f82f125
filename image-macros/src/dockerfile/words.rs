//! Words of an instruction: where they end, what quotes and escapes make of them, which variables stand in them.

use crate::diag::Fault;

/// A word, as far as it is known before variables have values.
pub(crate) type Word = Vec<Piece>;

/// A part of a [`Word`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Variable(Variable),
}

/// `$NAME`, `${NAME}`, `${NAME:-word}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) otherwise: Otherwise,
    /// Whether the colon stands there: an empty value is then as good as none.
    pub(crate) empty_is_unset: bool,
}

/// What a variable gives besides its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    Nothing,
    /// `-`: this, where it has none.
    Default(Word),
    /// `+`: this, where it has one.
    Alternative(Word),
    /// `?`: an error that says this, where it has none.
    Required(Word),
}

/// What of quotes and escapes counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Word,
    /// Quotes stay what they are.
    Document,
}

/// Splits at spaces outside of quotes; quotes and escapes stay in the words.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(characters.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The word without its quotes and escapes; variables stay as they are written.
pub(super) fn unquoted(word: &str, escape: char) -> String {
    let mut text = String::new();
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ if c == escape && quote != Some('\'') => text.extend(characters.next()),
            _ => text.push(c),
        }
    }
    text
}

/// Reads a word: quotes are taken away, variables found.
pub(super) fn word(text: &str, escape: char) -> Result<Word, Fault> {
    read_all(text, escape, Mode::Word)
}

/// Reads the text of a here-document: only variables count.
pub(super) fn document(text: &str, escape: char) -> Result<Word, Fault> {
    read_all(text, escape, Mode::Document)
}

/// A word that is only text.
pub(super) fn literal(text: &str) -> Word {
    match text {
        "" => Word::new(),
        text => vec![Piece::Text(text.to_owned())],
    }
}

/// The text of a word without variables.
pub(super) fn text_of(word: &Word) -> Option<String> {
    word.iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Variable(_) => None,
        })
        .collect()
}

/// The value of a word. `value` knows the variables.
pub(super) fn value_of(
    word: &Word,
    value: &impl Fn(&str) -> Option<String>,
) -> Result<String, Fault> {
    let mut text = String::new();
    for piece in word {
        let variable = match piece {
            Piece::Text(piece) => {
                text.push_str(piece);
                continue;
            }
            Piece::Variable(variable) => variable,
        };
        let is =
            value(&variable.name).filter(|value| !(variable.empty_is_unset && value.is_empty()));
        text.push_str(&match (&variable.otherwise, is) {
            (Otherwise::Default(word), None) => value_of(word, value)?,
            (Otherwise::Alternative(word), Some(_)) => value_of(word, value)?,
            (Otherwise::Required(word), None) => {
                let said = value_of(word, value)?;
                return Err(Fault::new(format!(
                    "`{}` must be set: {said}",
                    variable.name
                )));
            }
            (Otherwise::Alternative(_), None) => String::new(),
            (_, is) => is.unwrap_or_default(),
        });
    }
    Ok(text)
}

fn read_all(text: &str, escape: char, mode: Mode) -> Result<Word, Fault> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        escape,
        mode,
        text,
    };
    reader.until(None)
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    escape: char,
    mode: Mode,
    text: &'a str,
}

impl Reader<'_> {
    /// Reads up to `end`, which is taken, or to the end of the text.
    fn until(&mut self, end: Option<char>) -> Result<Word, Fault> {
        let mut word = Word::new();
        while let Some(c) = self.rest.next() {
            match c {
                c if Some(c) == end => return Ok(word),
                '\'' if self.mode == Mode::Word => self.single(&mut word)?,
                '"' if self.mode == Mode::Word => self.double(&mut word)?,
                '$' => self.dollar(&mut word)?,
                c if c == self.escape && self.mode == Mode::Document => {
                    let next = self.rest.next_if(|next| matches!(next, '$') || *next == c);
                    push(&mut word, next.unwrap_or(c));
                }
                c if c == self.escape => {
                    if let Some(next) = self.rest.next() {
                        push(&mut word, next);
                    }
                }
                c => push(&mut word, c),
            }
        }
        match end {
            None => Ok(word),
            Some(_) => Err(self.unclosed("`${`")),
        }
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Fault> {
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => push(word, c),
                None => return Err(self.unclosed("`'`")),
            }
        }
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Fault> {
        // An empty text is a word, too.
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => self.dollar(word)?,
                Some(c) if c == self.escape => {
                    let escape = self.escape;
                    let next = self
                        .rest
                        .next_if(|next| matches!(next, '"' | '$') || *next == escape);
                    push(word, next.unwrap_or(c));
                }
                Some(c) => push(word, c),
                None => return Err(self.unclosed("`\"`")),
            }
        }
    }

    /// What follows a `$`.
    fn dollar(&mut self, word: &mut Word) -> Result<(), Fault> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                push(word, '$');
            } else {
                word.push(Piece::Variable(Variable {
                    name,
                    otherwise: Otherwise::Nothing,
                    empty_is_unset: false,
                }));
            }
            return Ok(());
        }
        let name = self.name();
        if name.is_empty() {
            return Err(Fault::new(format!(
                "a name must follow the `${{` in `{}`",
                self.text
            )));
        }
        let empty_is_unset = self.rest.next_if_eq(&':').is_some();
        let otherwise = match self.rest.next() {
            Some('}') if !empty_is_unset => Otherwise::Nothing,
            Some('-') => Otherwise::Default(self.until(Some('}'))?),
            Some('+') => Otherwise::Alternative(self.until(Some('}'))?),
            Some('?') => Otherwise::Required(self.until(Some('}'))?),
            None => return Err(self.unclosed("`${`")),
            Some(other) => {
                let colon = if empty_is_unset { ":" } else { "" };
                return Err(Fault::new(format!("`${{{name}{colon}{other}…}}` is not known"))
                    .help("`${X}`, `${X:-word}`, `${X:+word}` and `${X:?word}` are, also without the colon"));
            }
        };
        word.push(Piece::Variable(Variable {
            name,
            otherwise,
            empty_is_unset,
        }));
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| {
            c.is_ascii_alphabetic() || *c == '_' || (c.is_ascii_digit() && !name.is_empty())
        }) {
            name.push(c);
        }
        name
    }

    fn unclosed(&self, what: &str) -> Fault {
        Fault::new(format!("a {what} is not closed in `{}`", self.text))
    }
}

fn push(word: &mut Word, c: char) {
    match word.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => word.push(Piece::Text(c.into())),
    }
}
