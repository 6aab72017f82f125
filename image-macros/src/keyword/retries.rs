//! `retries(max = 3, initial_delay = "1s", backoff = 2.0)`.

use std::time::Duration;

use quote::ToTokens;
use syn::spanned::Spanned as _;
use syn::{ExprCall, Lit};

use super::{Checked, Keyword, Kind, RETRIES_MAX, Retries, read_all};
use crate::diag::{Errors, Fault};
use crate::syntax::{Arguments, Value};

/// What is not written.
const DELAY: Duration = Duration::from_secs(1);
const BACKOFF: f64 = 2.0;

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(60);

const KEYWORDS: &[Keyword] = &[
    Keyword {
        name: "max",
        kind: RETRIES_MAX,
    },
    Keyword {
        name: "initial_delay",
        kind: Kind::Duration {
            or_nothing: true,
            example: "\"1s\"",
        },
    },
    Keyword {
        name: "backoff",
        kind: Kind::Factor,
    },
];

/// Reads the arguments of `retries(…)`. What is wrong is reported.
pub(super) fn read(call: &ExprCall, errors: &mut Errors) -> Option<Retries> {
    let mut found = Errors::default();
    let retries = checked(call, &mut found);
    let right = found.is_empty();
    errors.append(found);
    retries.filter(|_| right)
}

fn checked(call: &ExprCall, errors: &mut Errors) -> Option<Retries> {
    let tokens = call.args.to_token_stream();
    let arguments = Arguments::parse(tokens, call.paren_token.span.join(), errors);
    for value in &arguments.positional {
        let fault = Fault::new("`retries(…)` takes keywords only");
        errors.at(value, fault.help("write `retries(max = 3)`"));
    }
    let (mut max, mut delay, mut backoff) = (None, DELAY, BACKOFF);
    for (name, value) in read_all("`retries(…)`", KEYWORDS, &arguments.keywords, errors) {
        match value {
            Checked::Count(count, _) => max = Some(count),
            Checked::Duration(longer) if longer > LONGEST => {
                let fault = Fault::new(format!("`{name}` must not be longer than a minute"));
                errors.at(&name, fault.help("no wait between two tries is"));
            }
            Checked::Duration(duration) => delay = duration,
            Checked::Factor(factor) => backoff = factor,
            _ => {}
        }
    }
    // Where something else is wrong, that may be what was to be `max`.
    let is_other = |(name, _): &(syn::Ident, Value)| {
        let mut others = KEYWORDS.iter().filter(|keyword| keyword.name != "max");
        others.any(|keyword| name == keyword.name)
    };
    let is_alone = arguments.positional.is_empty() && !arguments.faulty;
    if max.is_none() && is_alone && arguments.keywords.iter().all(is_other) {
        let fault = Fault::new("`retries(…)` needs `max`");
        errors.at_span(call.span(), fault.help("such as `retries(max = 3)`"));
    }
    Some(Retries {
        max: max?,
        pace: Some((delay, backoff)),
    })
}

/// By how much each wait is longer than the one before.
pub(super) fn factor(name: &str, literal: &Lit, errors: &mut Errors) -> Option<f64> {
    let number = match literal {
        Lit::Float(number) => number.base10_parse::<f64>(),
        Lit::Int(number) => number.base10_parse::<f64>(),
        _ => return None,
    };
    match number {
        Ok(factor) if (1.0..=10.0).contains(&factor) => Some(factor),
        _ => {
            let fault = Fault::new(format!("`{name}` must be between 1.0 and 10.0"));
            errors.at(literal, fault);
            None
        }
    }
}
