//! Secrets as they are written: `Secret::from_env("TOKEN")`. Only their names are known while compiling.

use syn::{Expr, ExprLit, Lit};

use crate::diag::{Errors, Fault, did_you_mean};
use crate::keyword::Secret;
use crate::syntax::Value;
use crate::text::{local, name};

/// What makes a secret, and what its argument is checked by.
const CONSTRUCTORS: [(&str, crate::keyword::TextCheck, &str); 3] = [
    ("from_env", variable, "TOKEN"),
    ("from_name", name::of_secret, "registry-credentials"),
    ("from_dotenv", local::path, ".env"),
];

/// Reads one secret. What is wrong is reported.
pub(crate) fn read(value: &Value, errors: &mut Errors) -> Option<Secret> {
    if let Value::Other(Expr::Path(path)) = value {
        return Some(Secret::Named(path.path.clone()));
    }
    let Value::Other(Expr::Call(call)) = value else {
        let fault = Fault::new(format!(
            "a secret must be named by its source, not by {}",
            value.describe()
        ));
        errors.at(value, match value {
            Value::Literal(Lit::Str(text)) => {
                let text = text.value();
                fault.help(format!("write `Secret::from_name({text:?})`, or `Secret::from_env({text:?})` for a variable"))
            }
            _ => fault.help("such as `Secret::from_env(\"TOKEN\")`"),
        });
        return None;
    };
    let Expr::Path(path) = &*call.func else {
        errors.at(
            &call.func,
            Fault::new(
                "`Secret::from_env`, `Secret::from_name` or `Secret::from_dotenv` is expected",
            ),
        );
        return None;
    };
    let mut parts = path.path.segments.iter().rev();
    let constructor = parts.next()?.ident.clone();
    let written = constructor.to_string();
    if parts.next().is_none_or(|part| part.ident != "Secret") {
        let fault = Fault::new(format!("`{written}` is no secret"));
        errors.at(path, fault.help("write `Secret::from_env(\"…\")`, `Secret::from_name(\"…\")` or `Secret::from_dotenv(\"…\")`"));
        return None;
    }
    let Some((_, check, example)) = CONSTRUCTORS.iter().find(|(name, ..)| *name == written) else {
        let known = CONSTRUCTORS.iter().map(|(name, ..)| *name);
        let fault = Fault::new(format!("unknown source of a secret `{written}`"));
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
            let fault = Fault::new(format!("`Secret::{written}` takes one string"));
            errors.at(
                call,
                fault.help(format!("such as `Secret::{written}({example:?})`")),
            );
            return None;
        }
    };
    match check(&argument.value()) {
        Ok(()) => Some(Secret::Made(constructor, argument)),
        Err(fault) => {
            errors.at(&argument, fault);
            None
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
