//! Secrets and volumes as they are written, `Secret::from_env("TOKEN")`: only their names are known while compiling.

use syn::{Expr, ExprLit, ExprPath, Lit, LitStr, Path};

use crate::diag::{Errors, Fault, did_you_mean};
use crate::keyword::TextCheck;
use crate::syntax::{Value, constant};
use crate::text::{local, name};

/// A type that is made by constructors which take one string.
#[derive(Clone, Copy)]
pub(crate) struct Type {
    /// `Secret`
    pub(crate) name: &'static str,
    /// What one is: `secret`
    noun: &'static str,
    /// What is meant where only a string is written, and another that it could be.
    of_a_string: (&'static str, (&'static str, &'static str)),
    constructors: &'static [Constructor],
}

/// Its name, what its argument is checked by, and a right one.
type Constructor = (&'static str, TextCheck, &'static str);

/// A value of a [`Type`].
#[derive(Clone)]
pub(crate) enum Made {
    /// `Secret::from_env("TOKEN")`: the constructor, and its argument.
    By(Path, LitStr),
    /// A path to a `const`.
    Named(ExprPath),
}

pub(crate) const SECRET: Type = Type {
    name: "Secret",
    noun: "secret",
    of_a_string: ("from_name", ("from_env", "a variable")),
    constructors: &[
        ("from_env", variable, "TOKEN"),
        ("from_name", name::of_secret, "registry-credentials"),
        ("from_dotenv", local::path, ".env"),
    ],
};

pub(crate) const VOLUME: Type = Type {
    name: "Volume",
    noun: "volume",
    of_a_string: ("from_name", ("from_host", "a directory of this machine")),
    constructors: &[
        ("from_name", name::of_volume, "data"),
        ("from_host", local::path, "./data"),
    ],
};

impl Type {
    /// `Secret::from_env("TOKEN")`
    fn example(self) -> String {
        let (constructor, _, argument) = self.constructors[0];
        format!("{}::{constructor}({argument:?})", self.name)
    }

    /// All constructors, with a pattern for each.
    fn all(self, pattern: impl Fn(&str) -> String) -> String {
        let names = self.constructors.iter();
        let names: Vec<_> = names.map(|(name, ..)| pattern(name)).collect();
        let (last, first) = names.split_last().expect("there is one");
        match first {
            [] => last.clone(),
            first => format!("{} or {last}", first.join(", ")),
        }
    }

    /// Reads one value. What is wrong is reported.
    pub(crate) fn read(self, value: &Value, errors: &mut Errors) -> Option<Made> {
        let Self { name, noun, .. } = self;
        if let Value::Other(Expr::Path(path)) = value {
            return constant(&format!("a {noun}"), path, errors).map(Made::Named);
        }
        let Value::Other(Expr::Call(call)) = value else {
            let described = value.describe();
            let fault = Fault::new(format!(
                "a {noun} must be named by its source, not by {described}"
            ));
            errors.at(value, match value {
                Value::Literal(Lit::Str(text)) => {
                    let (text, (usual, (other, what))) = (text.value(), self.of_a_string);
                    fault.help(format!(
                        "write `{name}::{usual}({text:?})`, or `{name}::{other}({text:?})` for {what}"
                    ))
                }
                _ => fault.help(format!("such as `{}`", self.example())),
            });
            return None;
        };
        let Expr::Path(path) = &*call.func else {
            let all = self.all(|constructor| format!("`{name}::{constructor}`"));
            errors.at(&call.func, Fault::new(format!("{all} is expected")));
            return None;
        };
        let mut parts = path.path.segments.iter().rev();
        let constructor = parts.next()?.ident.clone();
        let written = constructor.to_string();
        if parts.next().is_none_or(|part| part.ident != name) {
            let fault = Fault::new(format!("`{written}` is no {noun}"));
            let all = self.all(|constructor| format!("`{name}::{constructor}(\"…\")`"));
            errors.at(path, fault.help(format!("write {all}")));
            return None;
        }
        let mut known = self.constructors.iter();
        let Some((_, check, example)) = known.find(|(name, ..)| *name == written) else {
            let known = self.constructors.iter().map(|(name, ..)| *name);
            let fault = Fault::new(format!("unknown source of a {noun} `{written}`"));
            errors.at(
                &constructor,
                fault.help(did_you_mean(&written, "sources", known)),
            );
            return None;
        };
        let argument = match (call.args.first(), call.args.len()) {
            (
                Some(Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                })),
                1,
            ) => text.clone(),
            _ => {
                let fault = Fault::new(format!("`{name}::{written}` takes one string"));
                errors.at(
                    call,
                    fault.help(format!("such as `{name}::{written}({example:?})`")),
                );
                return None;
            }
        };
        match check(&argument.value()) {
            Ok(()) => Some(Made::By(path.path.clone(), argument)),
            Err(fault) => {
                errors.at(&argument, fault);
                None
            }
        }
    }
}

fn variable(text: &str) -> Result<(), Fault> {
    match text.contains('=') {
        true => Err(Fault::new("a secret is named by its variable alone")
            .help("its value is never part of a program")),
        false => name::of_variable(text),
    }
}
