//! Looks a chain up in the grammar. Everything wrong is reported; the image is there only where nothing is.

use proc_macro2::Span;
use syn::{Expr, Ident};

use super::ast;
use super::grammar::{self, BASES, Positional, Row, STEPS};
use super::model::{Argument, Base, Call, Image};
use super::{advice, conda, rules};
use crate::diag::{Errors, Fault, did_you_mean, list, nearest};
use crate::keyword::{self, Checked, Keyword, Kind};
use crate::syntax::{Arguments, Value, constant};

/// Checks all of a chain.
pub(crate) fn chain(chain: &ast::Chain, errors: &mut Errors) -> Option<Image> {
    let mut base = chain.base.as_ref().and_then(|base| match base {
        ast::Base::Path(path) => constant("an image", path, errors).map(Base::Image),
        ast::Base::Call(call) => {
            let row = grammar::base(&call.name.to_string());
            let row = row.or_else(|| {
                errors.at(&call.name, unknown_base(&call.name));
                None
            })?;
            self::call(row, call, errors).map(Base::Call)
        }
    });
    // All steps are looked at, also after a wrong one.
    let mut steps: Vec<_> = chain.steps.iter().map(|call| step(call, errors)).collect();
    rules::nothing_after_added(&steps, errors);
    rules::nothing_runs_in_nothing(base.as_ref(), &steps, errors);
    conda::needs_its_base(base.as_ref(), &steps, errors);
    let first = match &mut base {
        Some(Base::Call(call)) => Some(call),
        _ => None,
    };
    let mut calls: Vec<_> = first
        .into_iter()
        .chain(steps.iter_mut().flatten())
        .collect();
    advice::look(&mut calls);
    if strict(chain.keywords.as_ref(), errors) {
        advice::refuse(&calls, errors);
    }
    let (base, steps) = (base?, steps.into_iter().collect::<Option<_>>()?);
    Some(Image { base, steps })
}

/// What follows the chain: `strict = true`.
fn strict(written: Option<&Arguments>, errors: &mut Errors) -> bool {
    const KEYWORDS: &[Keyword] = &[Keyword {
        name: "strict",
        kind: Kind::Flag,
    }];
    let Some(written) = written else { return false };
    for value in &written.positional {
        let fault = Fault::new("after the chain `image!` takes keywords only");
        errors.at(value, fault.help("such as `strict = true`"));
    }
    let read = keyword::read_all("`image!`", KEYWORDS, &written.keywords, errors);
    read.iter()
        .any(|(_, value)| matches!(value, Checked::Flag(true)))
}

fn step(call: &ast::Call, errors: &mut Errors) -> Option<Call> {
    match grammar::step(&call.name.to_string()) {
        Some(row) => self::call(row, call, errors),
        None => {
            errors.at(&call.name, unknown_step(&call.name));
            None
        }
    }
}

fn unknown_base(name: &Ident) -> Fault {
    let text = name.to_string();
    if grammar::step(&text).is_some() {
        return Fault::new(format!("`{text}` is a step: an image starts from a base"))
            .help(format!("write `debian_slim().{text}(…)`"));
    }
    let near = nearest(&text, grammar::names(BASES));
    Fault::new(format!("unknown base `{text}`")).help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("bases: {}", grammar::bases()),
    })
}

fn unknown_step(name: &Ident) -> Fault {
    let text = name.to_string();
    if grammar::base(&text).is_some() {
        return Fault::new(format!("`{text}` is a base, not a step")).help("it stands first");
    }
    let has_it = |row: &&Row| row.keywords.iter().any(|keyword| keyword.name == text);
    let help = match BASES.iter().chain(STEPS).find(has_it) {
        Some(row) => {
            let of = match STEPS.iter().all(|row| has_it(&row)) {
                true => "a step".to_owned(),
                false => format!("`{}`", row.name),
            };
            format!("it is a keyword: write `{text} = …` in the parentheses of {of}")
        }
        None => did_you_mean(&text, "steps", grammar::names(STEPS)),
    };
    Fault::new(format!("unknown step `{text}`")).help(help)
}

/// Checks one call against its row.
fn call(row: &'static Row, call: &ast::Call, errors: &mut Errors) -> Option<Call> {
    let Some(arguments) = &call.arguments else {
        let fault = Fault::new(format!("`{}` needs parentheses", call.name));
        errors.at(
            &call.name,
            fault.help(format!("such as `{}`", row.example())),
        );
        return None;
    };
    let written = Written::of(row, arguments, errors);
    let positional = positional(row, &written, errors);
    let subject = format!("`{}`", call.name);
    let keywords = keyword::read_all_or(
        &subject,
        row.keywords,
        written.keywords,
        |name| unknown_keyword(row, &written, name),
        errors,
    );
    let complete = positional.is_some();
    let is_whole = !written.is_faulty && keywords.len() == written.keywords.len();
    let mut checked = Call {
        name: Ident::new(row.name, call.name.span()),
        positional: positional.unwrap_or_default(),
        keywords: keywords
            .into_iter()
            .map(|(name, value)| (name, Argument::Checked(value)))
            .collect(),
        is_whole,
        advice: Vec::new(),
        files: Vec::new(),
    };
    if let Some(finish) = row.finish
        && complete
    {
        finish(&mut checked, errors);
    }
    complete.then_some(checked)
}

/// What stands in the parentheses of a call, looked at as its row would have it.
struct Written<'a> {
    span: Span,
    /// Without names.
    positional: Vec<&'a Value>,
    keywords: &'a [(Ident, Value)],
    /// Whether something could not be read, and has been reported.
    is_faulty: bool,
}

impl<'a> Written<'a> {
    /// Takes the keywords that stand without a value out of the values that stand without a name, and reports them.
    fn of(row: &Row, arguments: &'a Arguments, errors: &mut Errors) -> Self {
        let mut written = Self {
            span: arguments.span,
            positional: Vec::new(),
            keywords: &arguments.keywords,
            is_faulty: arguments.faulty,
        };
        for value in &arguments.positional {
            let path = match value {
                Value::Other(Expr::Path(path)) => Some(&path.path),
                _ => None,
            };
            let mut known = row.keywords.iter();
            let Some(keyword) =
                known.find(|known| path.is_some_and(|path| path.is_ident(known.name)))
            else {
                written.positional.push(value);
                continue;
            };
            written.is_faulty = true;
            let Keyword { name, kind } = keyword;
            let fault = Fault::new(format!("`{name}` needs a value"));
            errors.at(
                value,
                fault.help(format!("such as `{name} = {}`", kind.example())),
            );
        }
        written
    }
}

/// What a row calls something that another one calls so.
const CALLED: [(&str, &str, &str); 4] = [
    (
        "pip_install_from_pyproject",
        "extras",
        "optional_dependencies",
    ),
    ("pip_install_from_pyproject", "groups", "dependency_groups"),
    ("uv_sync", "optional_dependencies", "extras"),
    ("uv_sync", "dependency_groups", "groups"),
];

/// The help for a keyword that a row does not have.
fn unknown_keyword(row: &Row, written: &Written<'_>, name: &str) -> String {
    if name == "strict" {
        return "it follows the chain: `image!(…, strict = true)`".to_owned();
    }
    let mut called = CALLED.iter();
    if let Some((.., right)) = called.find(|(verb, wrong, _)| (*verb, *wrong) == (row.name, name)) {
        return format!("here that is `{right}`");
    }
    // What stands without a name was given one.
    if is_missing(row, written) {
        return format!("such as `{}`", row.example());
    }
    let help = keyword::unknown(row.keywords, name);
    if nearest(name, row.keywords.iter().map(|keyword| keyword.name)).is_some() {
        return help;
    }
    let others = BASES.iter().chain(STEPS);
    let others = others.filter(|row| row.keywords.iter().any(|keyword| keyword.name == name));
    let others: Vec<_> = others.map(|row| row.name).collect();
    match others.len() {
        0 => help,
        1 => format!("{help}; {} has `{name}`", list(others)),
        _ => format!("{help}; {} have `{name}`", list(others)),
    }
}

/// Whether something that stands without a name is not there.
fn is_missing(row: &Row, written: &Written<'_>) -> bool {
    let least = match row.positional {
        Positional::Strings { .. } => 1,
        Positional::Exactly(parameters) => parameters.len(),
    };
    written.positional.len() < least
}

/// Whether it is to be said that something is missing: unless that follows from what is said anyway.
fn tells_missing(row: &Row, written: &Written<'_>) -> bool {
    let is_known = |name: &Ident| row.keywords.iter().any(|keyword| name == keyword.name);
    !written.is_faulty && written.keywords.iter().all(|(name, _)| is_known(name))
}

fn positional(row: &Row, written: &Written<'_>, errors: &mut Errors) -> Option<Vec<Argument>> {
    match row.positional {
        Positional::Strings {
            what,
            check,
            example,
            or,
        } => {
            let another = written
                .keywords
                .iter()
                .any(|(name, _)| or.contains(&name.to_string().as_str()));
            if written.positional.is_empty() && tells_missing(row, written) && !another {
                let fault = Fault::new(format!("`{}` needs at least one {what}", row.name));
                let help = format!("such as `{}`", row.example());
                errors.at_span(written.span, fault.help(help));
                return None;
            }
            let texts = keyword::read_texts(what, check, example, &written.positional, errors)?;
            Some(vec![Argument::Strings(texts)])
        }
        Positional::Exactly(parameters) => exactly(row, parameters, written, errors),
    }
}

fn exactly(
    row: &Row,
    parameters: &[Keyword],
    written: &Written<'_>,
    errors: &mut Errors,
) -> Option<Vec<Argument>> {
    if let Some(excess) = written.positional.get(parameters.len()) {
        let takes = match parameters {
            [] => "no argument without a name".to_owned(),
            [_] => "one argument and no more".to_owned(),
            parameters => {
                let names = list(parameters.iter().map(|parameter| parameter.name));
                format!("{names} and no more")
            }
        };
        let fault = Fault::new(format!("`{}` takes {takes}", row.name));
        errors.at(
            excess,
            match (parameters, row.keywords) {
                ([], []) => fault,
                ([], keywords) => {
                    let names = keywords.iter().map(|keyword| keyword.name);
                    fault.help(format!("its keywords: {}", list(names)))
                }
                _ => fault.help(format!("such as `{}`", row.example())),
            },
        );
        // What those before it are follows from that.
        return None;
    }
    if let Some(missing) = parameters.get(written.positional.len())
        && tells_missing(row, written)
    {
        let fault = Fault::new(format!("`{}` needs its {}", row.name, missing.name));
        let help = format!("such as `{}`", row.example());
        errors.at_span(written.span, fault.help(help));
    }
    if written.is_faulty && written.positional.len() < parameters.len() {
        // Which of them could not be read, nobody knows.
        return None;
    }
    let read: Vec<_> = parameters
        .iter()
        .zip(&written.positional)
        .map(|(parameter, value)| {
            // What is no text has no name that anybody knows but that of its step.
            let name = match parameter.kind {
                Kind::Text { .. } => parameter.name,
                _ => row.name,
            };
            parameter.kind.read(name, value, errors)
        })
        .collect();
    let read: Vec<_> = read
        .into_iter()
        .map(|value| value.map(Argument::Checked))
        .collect::<Option<_>>()?;
    (read.len() == parameters.len()).then_some(read)
}
