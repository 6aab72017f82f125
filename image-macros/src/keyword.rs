//! Keywords as rows of a table: shared by the steps of an image, the arguments of
//! `#[app::function]` and `app::config!`.

mod read;
mod retries;
mod wrong;

use std::collections::HashSet;
use std::time::Duration;

use syn::{Expr, ExprCall, ExprPath, Ident, LitInt, LitStr, Path};

pub(crate) use self::read::read_texts;
use crate::diag::{Errors, Fault, did_you_mean};
use crate::made::Made;
use crate::syntax::Value;
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

/// Steps that take a list of what a process is handed.
const ARGUMENTS: [&str; 3] = ["entrypoint", "cmd", "shell"];

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
