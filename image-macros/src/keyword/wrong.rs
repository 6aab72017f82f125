//! What a value must be, and what is said of one that is not.

use quote::ToTokens as _;
use syn::{Expr, ExprPath, Lit};

use super::{ARGUMENTS, Kind};
use crate::diag::Fault;
use crate::syntax::{self, Value};
use crate::text;

impl Kind {
    /// A right value, as written.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Flag => "true",
            Self::Text { example, .. } | Self::Texts { example, .. } => example,
            Self::Words { example, .. } | Self::Map { example, .. } => example,
            Self::Secret => "Secret::from_name(\"registry-credentials\")",
            Self::Secrets => "[Secret::from_env(\"TOKEN\")]",
            Self::Volumes => "{ \"/data\": Volume::from_name(\"data\") }",
            Self::Duration { example, .. } | Self::Count { example, .. } => example,
            Self::Factor | Self::Cpus => "2.0",
            Self::Memory => "\"4GiB\"",
            Self::Gpu => "\"A100\"",
            Self::Retries => "3",
            Self::Image => "ML",
            Self::Function => "download",
        }
    }

    /// Whether it is strings, which a macro sees only where they are literals.
    fn is_written_out(self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::Words { .. } | Self::Duration { .. } | Self::Memory
        )
    }

    /// That a value is none of its kind, and what to write instead.
    pub(super) fn wrong_type(self, name: &str, found: &Value) -> Fault {
        let wanted = match self {
            Self::Flag => "`true` or `false`",
            Self::Text { .. } | Self::Words { .. } | Self::Duration { .. } | Self::Memory => {
                "a string"
            }
            Self::Count { .. } => "a whole number",
            Self::Factor | Self::Cpus => "a number",
            Self::Gpu => "a string or a list of strings",
            Self::Retries => {
                "a whole number or `retries(max = 3, initial_delay = \"1s\", backoff = 2.0)`"
            }
            Self::Secret => "one secret",
            Self::Secrets => "a list of secrets",
            Self::Volumes => "a map of directories to volumes",
            Self::Texts { .. } => "a list of strings",
            Self::Map { .. } => "a map of strings",
            Self::Image => "the path of a `const Image`",
            Self::Function => "the path of a function under `#[app::function]`",
        };
        let subject = if name.contains(' ') {
            name.to_owned()
        } else {
            format!("`{name}`")
        };
        let is_number = matches!(
            self,
            Self::Count { .. } | Self::Factor | Self::Cpus | Self::Retries
        );
        if is_number && is_negative(found) {
            let fault = Fault::new(format!("{subject} must not be negative"));
            return fault.help(format!("such as `{}`", self.example()));
        }
        let must_be = match self {
            Self::Function => "takes",
            _ => "must be",
        };
        let literal = match (self.is_written_out(), found) {
            (true, Value::Other(_)) => " literal",
            _ => "",
        };
        let fault = Fault::new(format!(
            "{subject} {must_be} {wanted}{literal}, not {}",
            found.describe()
        ));
        if let (Self::Text { check, .. }, Value::Other(Expr::Path(path))) = (self, found)
            && let Some(word) = word(path).filter(|word| check(word).is_ok())
        {
            return fault.help(format!("put it in quotes: `{word:?}`"));
        }
        match (self, found) {
            (kind, Value::Other(_)) if !literal.is_empty() => fault.help(format!(
                "it is checked while compiling, before anything but a literal has a value: write it out, such as `{}`",
                kind.example()
            )),
            (Self::Flag, Value::Literal(Lit::Str(text)))
                if matches!(&*text.value(), "true" | "false") =>
            {
                fault.help(format!("leave out the quotes: `{}`", text.value()))
            }
            // Both are named already.
            (Self::Flag, _) => fault,
            (Self::Image, Value::Other(Expr::Call(_) | Expr::Macro(_))) => {
                fault.help("write `const ML: Image = image!(…);`, and name `ML` here")
            }
            (Self::Text { check, .. }, Value::Literal(Lit::Float(number)))
                if check(&number.to_string()).is_ok() =>
            {
                let text = number.to_string();
                let short = text.trim_end_matches('0');
                fault.help(if short == text {
                    format!("put it in quotes: `\"{text}\"`")
                } else {
                    format!("put it in quotes, `\"{text}\"`: as a number it would be `{short}`")
                })
            }
            (Self::Text { check, .. }, Value::Literal(Lit::Int(number)))
                if check(&number.to_string()).is_ok() =>
            {
                fault.help(format!("put it in quotes: `\"{number}\"`"))
            }
            (Self::Text { check, .. }, Value::Literal(Lit::Bool(flag)))
                if check(&flag.value.to_string()).is_ok() =>
            {
                fault.help(format!("put it in quotes: `\"{}\"`", flag.value))
            }
            (Self::Duration { .. }, Value::Literal(Lit::Int(number)))
                if text::duration::parse(&number.to_string()).is_ok() =>
            {
                fault.help(format!("put it in quotes: `\"{number}\"`"))
            }
            (Self::Duration { .. }, Value::Literal(Lit::Int(number)))
                if number.suffix().is_empty() =>
            {
                fault.help(format!(
                    "put it in quotes and add its unit: `\"{number}s\"`"
                ))
            }
            (Self::Memory, Value::Literal(number @ (Lit::Int(_) | Lit::Float(_))))
                if text::memory::parse(&number.to_token_stream().to_string()).is_ok() =>
            {
                fault.help(format!("put it in quotes: `\"{}\"`", number.to_token_stream()))
            }
            (Self::Memory, Value::Literal(Lit::Int(number))) if number.suffix().is_empty() => {
                fault.help(format!(
                    "put it in quotes and add its unit: `\"{number}MiB\"`"
                ))
            }
            (Self::Cpus, Value::Literal(Lit::Str(text)))
                if text.value().parse::<f64>().is_ok_and(f64::is_finite) =>
            {
                fault.help(format!("leave out the quotes: `{}`", text.value()))
            }
            (Self::Count { .. } | Self::Retries, Value::Literal(Lit::Str(text)))
                if text.value().parse::<u32>().is_ok() =>
            {
                fault.help(format!("leave out the quotes: `{}`", text.value()))
            }
            // A command line in one string is more than one argument.
            (Self::Texts { check, .. }, Value::Literal(Lit::Str(text)))
                if !ARGUMENTS.contains(&name) && check(&text.value()).is_ok() =>
            {
                fault.help(format!("put it in brackets: `[{:?}]`", text.value()))
            }
            (Self::Secrets, Value::Other(secret @ Expr::Call(_))) => {
                fault.help(format!("put it in brackets: `[{}]`", as_written(secret)))
            }
            _ => fault.help(format!("such as `{}`", self.example())),
        }
    }
}

/// A call on one line.
fn as_written(call: &Expr) -> String {
    call.to_token_stream()
        .to_string()
        .replace(" :: ", "::")
        .replace(" (", "(")
}

/// A word that is no constant, and so may have been meant as a text.
fn word(path: &ExprPath) -> Option<String> {
    let word = path.path.get_ident()?.to_string();
    word.contains(|c: char| c.is_ascii_lowercase())
        .then_some(word)
}

fn is_negative(value: &Value) -> bool {
    matches!(value, Value::Other(expression) if syntax::is_negative(expression))
}
