//! Reads a chain. It recovers at the next `.`: a step that is half written hides neither the ones before it nor the ones after.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{ExprPath, Ident, Token, braced, bracketed, parenthesized, token};

use super::ast::{Base, Call, Chain};
use super::grammar;
use crate::diag::{Errors, Fault, list};
use crate::syntax::{Arguments, no_attributes, path_text};

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

/// Skips keywords that stand before the base, which is reported; whether there are any.
fn keywords_first(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<bool> {
    let mut found = false;
    while input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
        let name = Ident::parse_any(input)?;
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Option<Token![,]>>()?;
        found = true;
        errors.at(&name, grammar::not_first(&name.to_string(), &value));
    }
    Ok(found)
}

fn base(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Base>> {
    no_attributes(input, errors)?;
    if keywords_first(input, errors)? && input.is_empty() {
        return Ok(None);
    }
    if !(input.peek(Ident::peek_any) || input.peek(Token![::]) || input.peek(Token![<])) {
        let fault = Fault::new("an image starts from a base");
        let fault = fault.help(if input.peek(syn::LitStr) {
            "an image of a registry is `from_registry(\"…\")`".to_owned()
        } else if input.peek(token::Paren) {
            "leave out the parentheses around it".to_owned()
        } else if input.peek(token::Brace) {
            "leave out the braces around it".to_owned()
        } else {
            format!("bases: {}", grammar::bases())
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
    if input.peek(Token![!])
        && path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "image")
    {
        let fault = Fault::new("an image cannot be made inside of another");
        errors.at(
            path,
            fault.help("write its chain here, or make it a `const` and name that"),
        );
        skip_to_dot(input)?;
        return Ok(None);
    }
    let arguments = arguments(&path, input, errors)?;
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
    no_attributes(input, errors)?;
    if !input.peek(Token![.]) {
        let fault = Fault::new("expected `.` and a step");
        let help = input
            .peek(Token![,])
            .then(|| "leave out the comma".to_owned());
        errors.syntax(input.error(fault.maybe_help(help).text()));
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
    let arguments = arguments(&name, input, errors)?;
    Ok(Some(Call { name, arguments }))
}

/// `, strict = true`, after the chain. A comma may end the list of one argument.
fn keywords(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Arguments>> {
    if !input.peek(Token![,]) || input.peek2(Token![.]) {
        return Ok(None);
    }
    let comma: Token![,] = input.parse()?;
    let arguments = Arguments::parse(input.parse()?, comma.span, errors);
    Ok(Some(arguments))
}

/// What stands in the parentheses of `name`. Other brackets are reported, and read as if they were parentheses.
fn arguments(
    name: &impl ToTokens,
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Option<Arguments>> {
    let name = path_text(name);
    let mut is_told = false;
    if input.peek(Token![!]) {
        let mark: Token![!] = input.parse()?;
        let fault = Fault::new(format!("`{name}` is no macro here"));
        errors.at(mark, fault.help(format!("write `{name}(…)`")));
        is_told = true;
    }
    let content;
    let (span, instead) = if input.peek(token::Paren) {
        (parenthesized!(content in input).span.join(), None)
    } else if input.peek(token::Bracket) {
        (bracketed!(content in input).span.join(), Some("brackets"))
    } else if input.peek(token::Brace) {
        (braced!(content in input).span.join(), Some("braces"))
    } else {
        return Ok(None);
    };
    if let Some(brackets) = instead.filter(|_| !is_told) {
        let fault = Fault::new(format!(
            "`{name}` takes its arguments in parentheses, not in {brackets}"
        ));
        errors.at_span(span, fault.help(format!("write `{name}(…)`")));
    }
    Ok(Some(Arguments::parse(content.parse()?, span, errors)))
}

fn skip_to_dot(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![.]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
