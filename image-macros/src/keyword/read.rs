//! Reads what was written for a keyword.

use std::collections::HashSet;
use std::time::Duration;

use syn::{Expr, Lit, LitStr};

use super::{Checked, Kind, RETRIES_MAX, Retries, TextCheck, is_called, retries};
use crate::diag::{Errors, Fault, one};
use crate::made::{self, Made};
use crate::syntax::{Value, constant};
use crate::text;

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
                let mut segments = path.path.segments.iter();
                match segments.find(|segment| !segment.arguments.is_none()) {
                    None => Some(Checked::Function(path.path.clone())),
                    Some(generic) => {
                        let fault = Fault::new(format!("`{name}` takes no generic function"));
                        let help = format!("write `{}` alone", generic.ident);
                        errors.at(&generic.arguments, fault.help(help));
                        None
                    }
                }
            }
            (Self::Function, Value::Other(Expr::Call(call))) if call.args.is_empty() => {
                let function = &call.func;
                let fault = Fault::new(format!("`{name}` takes a path, not a call"));
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
}

/// Reads texts that are arguments of their own, such as the packages of a step; `what` is what one of them is.
pub(crate) fn read_texts(
    what: &str,
    check: TextCheck,
    example: &'static str,
    values: &[&Value],
    errors: &mut Errors,
) -> Option<Vec<LitStr>> {
    let what = one(what);
    each(values, |value| {
        if let Value::List(..) = value {
            let fault = Fault::new(format!("{what} must be a string, not a list"));
            errors.at(value, fault.help("write the strings without brackets"));
            return None;
        }
        match (Kind::Text { check, example }).read(&what, value, errors) {
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
        let meant = meant_entry(key, value, key_check);
        let key = match meant {
            Some((key, fault)) => {
                errors.at(key, fault);
                None
            }
            None => read(
                format!("a key of `{name}`"),
                key_check,
                "\"KEY\"",
                key,
                errors,
            ),
        };
        let value = read(
            format!("a value of `{name}`"),
            value_check,
            "\"value\"",
            value,
            errors,
        );
        let key = key?;
        if !seen.insert(key.value()) {
            let fault = Fault::new(format!("`{}` is given twice", key.value()));
            errors.at(&key, fault);
            return None;
        }
        Some((key, value?))
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
        let Some(Checked::Text(key)) = key else {
            return None;
        };
        if !seen.insert(key.value().trim_end_matches('/').to_owned()) {
            let fault = Fault::new(format!("`{}` is given twice", key.value()));
            errors.at(&key, fault);
            return None;
        }
        Some((key, volume?))
    })
}

/// What is wrong with a key that holds a `=` beside a value of its own: the help has both sides of what was meant.
fn meant_entry<'a>(key: &'a Value, value: &Value, check: TextCheck) -> Option<(&'a LitStr, Fault)> {
    let (Value::Literal(Lit::Str(key)), Value::Literal(Lit::Str(value))) = (key, value) else {
        return None;
    };
    let (text, value) = (key.value(), value.value());
    let fault = check(&text).err()?;
    let (name, _) = text.split_once('=')?;
    let fits = !value.is_empty() && check(name).is_ok();
    fits.then(|| (key, fault.help(format!("write `{name:?}: {value:?}`"))))
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
