//! Keywords as rows of a table, and reading what was written for them: shared by the steps of an image, the arguments of
//! `#[app::function]` and `app::config!`.

mod retries;

use std::collections::HashSet;
use std::time::Duration;

use syn::{Expr, ExprCall, ExprPath, Ident, Lit, LitInt, LitStr, Path};

use crate::diag::{Errors, Fault, did_you_mean};
use crate::made::{self, Made};
use crate::syntax::{Value, constant};
use crate::text;

/// Looks at one text.
pub(crate) type TextCheck = fn(&str) -> Result<(), Fault>;

/// What a value must be. `example` shows a right one, as written.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `true` or `false`
    Flag,
    /// A string.
    Text {
        check: TextCheck,
        example: &'static str,
    },
    /// A list of strings.
    Texts {
        check: TextCheck,
        example: &'static str,
    },
    /// A string of words, as a shell splits them.
    Words {
        split: fn(&str) -> Result<Vec<String>, Fault>,
        example: &'static str,
    },
    /// One secret.
    Secret,
    /// A list of secrets.
    Secrets,
    /// A map of volumes.
    Volumes,
    /// A map of strings.
    Map {
        key: TextCheck,
        value: TextCheck,
        example: &'static str,
    },
    /// A string that is a duration.
    Duration {
        /// Whether it may be nothing at all.
        or_nothing: bool,
        example: &'static str,
    },
    /// A whole number.
    Count { least: u32, example: &'static str },
    /// A number from 1.0 to 10.0.
    Factor,
    /// A number of CPUs.
    Cpus,
    /// A string that names a GPU, or a list of such in order of preference.
    Gpu,
    /// A string that is an amount of memory.
    Memory,
    /// A whole number, or `retries(max = 3, …)`.
    Retries,
    /// A path to a `const Image`.
    Image,
    /// A path to a function under `#[app::function]`.
    Function,
}

/// A value that is what it must be.
#[derive(Clone)]
pub(crate) enum Checked {
    Flag(bool),
    Text(LitStr),
    Texts(Vec<LitStr>),
    Words(Vec<String>),
    Secret(Made),
    Secrets(Vec<Made>),
    /// Each with its directory in the container.
    Volumes(Vec<(LitStr, Made)>),
    Map(Vec<(LitStr, LitStr)>),
    Duration(Duration),
    Count(u32, LitInt),
    Factor(f64),
    Cpus(f64),
    /// Each as written, too.
    Gpu(Vec<(LitStr, text::gpu::Gpu)>),
    Memory(u64),
    Retries(Retries),
    Image(ExprPath),
    Function(Path),
}

/// How often a call is made again, and after how long.
#[derive(Clone, Default)]
pub(crate) struct Retries {
    pub(crate) max: u32,
    /// Nothing where only a number was written.
    pub(crate) pace: Option<(Duration, f64)>,
}

/// A keyword: its name and what its value must be.
#[derive(Clone, Copy)]
pub(crate) struct Keyword {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// Environment variables, wherever they are given.
pub(crate) const ENVIRONMENT: Kind = Kind::Map {
    key: text::name::of_variable,
    value: text::plain::env_value,
    example: "{ \"KEY\": \"value\" }",
};

/// The name of a list of what a process is handed.
pub(crate) const ARGUMENTS: &str = "arguments";

/// How often a call is made again.
const RETRIES_MAX: Kind = Kind::Count {
    least: 0,
    example: "3",
};

/// Whether the function of a call is written as this one word.
pub(crate) fn is_called(call: &ExprCall, word: &str) -> bool {
    matches!(&*call.func, Expr::Path(path) if path.path.is_ident(word))
}

/// Reads the keywords of one call of `subject`. What is wrong is reported and left out.
pub(crate) fn read_all(
    subject: &str,
    table: &[Keyword],
    written: &[(Ident, Value)],
    errors: &mut Errors,
) -> Vec<(Ident, Checked)> {
    read_all_or(subject, table, written, |name| unknown(table, name), errors)
}

/// As [`read_all`], with other help for an unknown keyword.
pub(crate) fn read_all_or(
    subject: &str,
    table: &[Keyword],
    written: &[(Ident, Value)],
    help: impl Fn(&str) -> String,
    errors: &mut Errors,
) -> Vec<(Ident, Checked)> {
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for (name, value) in written {
        let text = name.to_string();
        let Some(keyword) = table.iter().find(|keyword| text == keyword.name) else {
            let fault = Fault::new(format!("unknown keyword `{text}` of {subject}"));
            errors.at(name, fault.help(help(&text)));
            continue;
        };
        if !seen.insert(text) {
            errors.at(name, Fault::new(format!("`{name}` is given twice")));
            continue;
        }
        let value = keyword.kind.read(&name.to_string(), value, errors);
        checked.extend(value.map(|value| (name.clone(), value)));
    }
    checked
}

/// The help for a keyword that is not in a table.
pub(crate) fn unknown(table: &[Keyword], name: &str) -> String {
    let known = table.iter().map(|keyword| keyword.name);
    match table {
        [] => "it takes none".to_owned(),
        _ => did_you_mean(name, "its keywords", known),
    }
}

impl Kind {
    /// Reads the value of the parameter `name`. What is wrong is reported.
    pub(crate) fn read(self, name: &str, value: &Value, errors: &mut Errors) -> Option<Checked> {
        match (self, value) {
            // That nothing is left of it is no fault of its own.
            (_, Value::Part(read)) if matches!(&**read, Value::List(_, items) if items.is_empty()) => {
                None
            }
            (kind, Value::Part(read)) => {
                kind.read(name, read, errors);
                None
            }
            (Self::Flag, Value::Literal(Lit::Bool(flag))) => Some(Checked::Flag(flag.value)),
            (Self::Text { check, .. }, Value::Literal(Lit::Str(text))) => {
                checked_text(text, check, errors).map(Checked::Text)
            }
            (Self::Texts { check, example }, Value::List(_, items)) => {
                let texts: Option<_> = each(items, |item| {
                    let kind = Self::Text { check, example };
                    match kind.read(&format!("each item of `{name}`"), item, errors) {
                        Some(Checked::Text(text)) => Some(text),
                        _ => None,
                    }
                });
                texts.map(Checked::Texts)
            }
            (Self::Words { split, .. }, Value::Literal(Lit::Str(text))) => {
                match split(&text.value()) {
                    Ok(words) => Some(Checked::Words(words)),
                    Err(fault) => {
                        errors.at(text, fault);
                        None
                    }
                }
            }
            (Self::Secret, Value::List(..)) => {
                errors.at(value, self.wrong_type(name, value));
                None
            }
            (Self::Secret, value) => made::SECRET.read(value, errors).map(Checked::Secret),
            (Self::Secrets, Value::List(_, items)) => {
                each(items, |item| made::SECRET.read(item, errors)).map(Checked::Secrets)
            }
            (Self::Volumes, Value::Map(_, entries)) => {
                read_volumes(entries, errors).map(Checked::Volumes)
            }
            (Self::Map { key, value, .. }, Value::Map(_, entries)) => {
                read_map(name, entries, key, value, errors).map(Checked::Map)
            }
            (Self::Duration { or_nothing, .. }, Value::Literal(Lit::Str(text))) => {
                match text::duration::parse(&text.value()) {
                    Ok(Duration::ZERO) if !or_nothing => {
                        let fault = Fault::new(format!("`{name}` must be longer than nothing"));
                        errors.at(text, fault);
                        None
                    }
                    Ok(duration) => Some(Checked::Duration(duration)),
                    Err(fault) => {
                        errors.at(text, fault);
                        None
                    }
                }
            }
            (Self::Count { least, .. }, Value::Literal(Lit::Int(number))) => {
                match number.base10_parse::<u32>() {
                    Ok(count) if count >= least => Some(Checked::Count(count, number.clone())),
                    Ok(_) => {
                        let fault = Fault::new(format!("`{name}` must be at least {least}"));
                        errors.at(number, fault);
                        None
                    }
                    Err(_) => {
                        let fault = Fault::new(format!("`{name}` is too large: `{number}`"));
                        errors.at(number, fault.help(format!("at most {}", u32::MAX)));
                        None
                    }
                }
            }
            (Self::Factor, Value::Literal(literal @ (Lit::Float(_) | Lit::Int(_)))) => {
                retries::factor(name, literal, errors).map(Checked::Factor)
            }
            (Self::Cpus, Value::Literal(literal @ (Lit::Float(_) | Lit::Int(_)))) => {
                cpus(name, literal, errors).map(Checked::Cpus)
            }
            (Self::Gpu, Value::List(span, items)) if items.is_empty() => {
                let fault = Fault::new(format!("`{name}` needs at least one GPU"));
                errors.at_span(*span, fault.help("such as `[\"A100\", \"any\"]`"));
                None
            }
            (Self::Gpu, Value::Literal(Lit::Str(_)) | Value::List(..)) => {
                let items = match value {
                    Value::List(_, items) => items.as_slice(),
                    one => std::slice::from_ref(one),
                };
                each(items, |item| read_gpu(name, item, errors)).map(Checked::Gpu)
            }
            (Self::Memory, Value::Literal(Lit::Str(text))) => {
                match text::memory::parse(&text.value()) {
                    Ok(bytes) => Some(Checked::Memory(bytes)),
                    Err(fault) => {
                        errors.at(text, fault);
                        None
                    }
                }
            }
            (Self::Retries, Value::Literal(Lit::Int(_))) => {
                match RETRIES_MAX.read(name, value, errors) {
                    Some(Checked::Count(max, _)) => {
                        Some(Checked::Retries(Retries { max, pace: None }))
                    }
                    _ => None,
                }
            }
            (Self::Retries, Value::Other(Expr::Call(call))) if is_called(call, name) => {
                retries::read(call, errors).map(Checked::Retries)
            }
            (Self::Image, Value::Other(Expr::Path(path))) => {
                constant("an image", path, errors).map(Checked::Image)
            }
            (Self::Function, Value::Other(Expr::Path(path))) if path.qself.is_none() => {
                Some(Checked::Function(path.path.clone()))
            }
            (Self::Function, Value::Other(Expr::Call(call))) if call.args.is_empty() => {
                let function = &call.func;
                let fault = Fault::new(format!("`{name}` must be a path, not a call"));
                let path = quote::quote!(#function).to_string().replace(' ', "");
                errors.at(
                    call,
                    fault.help(format!("leave out the parentheses: `{path}`")),
                );
                None
            }
            (wanted, found) => {
                errors.at(found, wanted.wrong_type(name, found));
                None
            }
        }
    }

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

    fn wrong_type(self, name: &str, found: &Value) -> Fault {
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
        let fault = Fault::new(format!(
            "{subject} must be {wanted}, not {}",
            found.describe()
        ));
        match (self, found) {
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
            (Self::Duration { .. }, Value::Literal(Lit::Int(number))) => fault.help(format!(
                "put it in quotes and add its unit: `\"{number}s\"`"
            )),
            (Self::Memory, Value::Literal(Lit::Int(number))) => fault.help(format!(
                "put it in quotes and add its unit: `\"{number}MiB\"`"
            )),
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
                if name != ARGUMENTS && check(&text.value()).is_ok() =>
            {
                fault.help(format!("put it in brackets: `[{:?}]`", text.value()))
            }
            _ => fault.help(format!("such as `{}`", self.example())),
        }
    }
}

/// Reads texts that are arguments of their own, such as the packages of a step; `what` is what one of them is.
pub(crate) fn read_texts(
    what: &str,
    check: TextCheck,
    example: &'static str,
    values: &[Value],
    errors: &mut Errors,
) -> Option<Vec<LitStr>> {
    each(values, |value| {
        if let Value::List(..) = value {
            let fault = Fault::new(format!("a {what} must be a string, not a list"));
            errors.at(value, fault.help("write the strings without brackets"));
            return None;
        }
        match (Kind::Text { check, example }).read(&format!("a {what}"), value, errors) {
            Some(Checked::Text(text)) => Some(text),
            _ => None,
        }
    })
}

/// How many CPUs' time. The kernel gives no less, and knows no more.
fn cpus(name: &str, literal: &Lit, errors: &mut Errors) -> Option<f64> {
    let number = match literal {
        Lit::Float(number) => number.base10_parse::<f64>(),
        Lit::Int(number) => number.base10_parse::<f64>(),
        _ => return None,
    };
    match number {
        Ok(cpus) if (0.01..=8192.0).contains(&cpus) => Some(cpus),
        _ => {
            let fault = Fault::new(format!("`{name}` must be between 0.01 and 8192"));
            errors.at(
                literal,
                fault.help("a number of CPUs: `0.5` is half of one"),
            );
            None
        }
    }
}

fn read_map(
    name: &str,
    entries: &[(Value, Value)],
    key_check: TextCheck,
    value_check: TextCheck,
    errors: &mut Errors,
) -> Option<Vec<(LitStr, LitStr)>> {
    let mut seen = HashSet::new();
    each(entries, |(key, value)| {
        let read = |subject: String, check, example, value, errors: &mut Errors| {
            let kind = Kind::Text { check, example };
            match kind.read(&subject, value, errors) {
                Some(Checked::Text(text)) => Some(text),
                _ => None,
            }
        };
        let key = read(
            format!("a key of `{name}`"),
            key_check,
            "\"KEY\"",
            key,
            errors,
        );
        let value = read(
            format!("a value of `{name}`"),
            value_check,
            "\"value\"",
            value,
            errors,
        );
        let (key, value) = (key?, value?);
        if !seen.insert(key.value()) {
            errors.at(
                &key,
                Fault::new(format!("`{}` is given twice", key.value())),
            );
            return None;
        }
        Some((key, value))
    })
}

fn read_gpu(name: &str, item: &Value, errors: &mut Errors) -> Option<(LitStr, text::gpu::Gpu)> {
    let Value::Literal(Lit::Str(text)) = item else {
        let what = format!("each item of `{name}`");
        errors.at(
            item,
            Kind::Text {
                check: text::any,
                example: "\"A100\"",
            }
            .wrong_type(&what, item),
        );
        return None;
    };
    match text::gpu::parse(&text.value()) {
        Ok(gpu) => Some((text.clone(), gpu)),
        Err(fault) => {
            errors.at(text, fault);
            None
        }
    }
}

/// Volumes, each with its directory in the container.
fn read_volumes(entries: &[(Value, Value)], errors: &mut Errors) -> Option<Vec<(LitStr, Made)>> {
    let mut seen = HashSet::new();
    each(entries, |(key, value)| {
        let kind = Kind::Text {
            check: text::container_path::of_volume,
            example: "\"/data\"",
        };
        let key = kind.read("a key of `volumes`", key, errors);
        let volume = made::VOLUME.read(value, errors);
        let (Some(Checked::Text(key)), Some(volume)) = (key, volume) else {
            return None;
        };
        if !seen.insert(key.value().trim_end_matches('/').to_owned()) {
            let fault = Fault::new(format!("`{}` is given twice", key.value()));
            errors.at(&key, fault);
            return None;
        }
        Some((key, volume))
    })
}

fn checked_text(text: &LitStr, check: TextCheck, errors: &mut Errors) -> Option<LitStr> {
    match check(&text.value()) {
        Ok(()) => Some(text.clone()),
        Err(fault) => {
            errors.at(text, fault);
            None
        }
    }
}

/// All of them or none, but every one is looked at, so that every fault is found.
fn each<T, U>(items: &[T], mut read: impl FnMut(&T) -> Option<U>) -> Option<Vec<U>> {
    let read: Vec<_> = items.iter().map(&mut read).collect();
    read.into_iter().collect()
}
