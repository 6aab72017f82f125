//! Reads a chain. It recovers at the next `.`: a step that is half written hides neither the ones before it nor the ones after.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{ExprPath, Ident, Token, parenthesized, token};

use super::ast::{Base, Call, Chain};
use super::grammar;
use crate::diag::{Errors, Fault, list};
use crate::syntax::Arguments;

/// Reads all of a macro's input.
pub(crate) fn chain(input: TokenStream, errors: &mut Errors) -> Chain {
    let mut chain = Chain::default();
    let all = |input: ParseStream<'_>| {
        chain.base = base(input, errors)?;
        while !input.is_empty() {
            if let Some(keywords) = keywords(input, errors)? {
                chain.keywords = Some(keywords);
                break;
            }
            chain.steps.extend(step(input, errors)?);
        }
        Ok(())
    };
    if let Err(error) = all.parse2(input) {
        errors.syntax(error);
    }
    chain
}

fn base(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Base>> {
    if !(input.peek(Ident::peek_any) || input.peek(Token![::]) || input.peek(Token![<])) {
        let fault = Fault::new("an image starts from a base");
        let fault = fault.help(match input.peek(syn::LitStr) {
            true => "an image of a registry is `from_registry(\"…\")`".to_owned(),
            false => format!("bases: {}", grammar::bases()),
        });
        // What is missing has no place but that of the whole call.
        match input.is_empty() {
            true => errors.at_span(Span::call_site(), fault),
            false => errors.syntax(input.error(fault.text())),
        }
        skip_to_dot(input)?;
        return Ok(None);
    }
    let path: ExprPath = match input.peek(Ident::peek_any) {
        // A keyword that stands where a base is expected is a wrong base.
        true if !input.peek2(Token![::]) => Ident::parse_any(input).map(path_of)?,
        _ => input.parse()?,
    };
    let arguments = arguments(input, errors)?;
    let name = path
        .path
        .get_ident()
        .filter(|_| path.qself.is_none())
        .cloned();
    Ok(match (name, arguments) {
        (Some(name), None) if grammar::base(&name.to_string()).is_none() => Some(Base::Path(path)),
        (Some(name), arguments) => Some(Base::Call(Call { name, arguments })),
        (None, None) => Some(Base::Path(path)),
        (None, Some(_)) => {
            let fault = Fault::new("a path to an image takes no parentheses")
                .help("name a `const Image`, or start from a base such as `debian_slim()`");
            errors.at(path, fault);
            None
        }
    })
}

fn path_of(name: Ident) -> ExprPath {
    ExprPath {
        attrs: Vec::new(),
        qself: None,
        path: name.into(),
    }
}

fn step(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Call>> {
    if !input.peek(Token![.]) {
        errors.syntax(input.error("expected `.` and a step"));
        skip_to_dot(input)?;
        return Ok(None);
    }
    let dot: Token![.] = input.parse()?;
    if !input.peek(Ident::peek_any) {
        let steps = list(grammar::STEPS.iter().map(|row| row.name));
        let fault = Fault::new("a step is expected after `.`").help(format!("steps: {steps}"));
        errors.at(dot, fault);
        skip_to_dot(input)?;
        return Ok(None);
    }
    let name = Ident::parse_any(input)?;
    let arguments = arguments(input, errors)?;
    Ok(Some(Call { name, arguments }))
}

/// `, strict = true`, after the chain.
fn keywords(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Arguments>> {
    let begins = input.peek(Token![,]) && input.peek2(Ident::peek_any) && input.peek3(Token![=]);
    // A comma may end the list of one argument.
    let ends =
        input.peek(Token![,]) && input.fork().parse::<TokenStream>()?.into_iter().count() == 1;
    if !begins && !ends {
        return Ok(None);
    }
    let comma: Token![,] = input.parse()?;
    let arguments = Arguments::parse(input.parse()?, comma.span, errors);
    Ok(Some(arguments))
}

fn arguments(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Arguments>> {
    if !input.peek(token::Paren) {
        return Ok(None);
    }
    let content;
    let span = parenthesized!(content in input).span.join();
    Ok(Some(Arguments::parse(content.parse()?, span, errors)))
}

fn skip_to_dot(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![.]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
