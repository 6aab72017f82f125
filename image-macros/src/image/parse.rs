//! Reads a chain. It recovers at the next `.`: a step that is half written hides neither the ones before it nor the ones after.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Ident, Path, Token, parenthesized, token};

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
    let bases = list(grammar::BASES.iter().map(|row| format!("{}()", row.name)));
    let help = format!("bases are {bases} and the path of a `const Image`");
    if input.is_empty() {
        return Err(input.error(Fault::new("an image starts from a base").help(help).text()));
    }
    if !(input.peek(Ident) || input.peek(Token![::]) || input.peek(Ident::peek_any)) {
        let help = match input.peek(syn::LitStr) {
            true => "an image of a registry is `from_registry(\"…\")`".to_owned(),
            false => help,
        };
        errors.syntax(input.error(Fault::new("an image starts from a base").help(help).text()));
        skip_to_dot(input)?;
        return Ok(None);
    }
    let path = Path::parse_mod_style(input)?;
    let name = path.get_ident().cloned();
    if !input.peek(token::Paren) {
        if let Some(name) = name
            && grammar::base(&name.to_string()).is_some()
        {
            let fault = Fault::new(format!("the base `{name}` needs parentheses"))
                .help(format!("write `{name}()`"));
            errors.at(&name, fault);
            let arguments = None;
            return Ok(Some(Base::Call(Call { name, arguments })));
        }
        return Ok(Some(Base::Path(path)));
    }
    let arguments = arguments(input, errors)?;
    let Some(name) = name else {
        let fault = Fault::new("a path to an image takes no parentheses")
            .help("name a `const Image`, or start from a base such as `debian_slim()`");
        errors.at(path, fault);
        return Ok(None);
    };
    let arguments = Some(arguments);
    Ok(Some(Base::Call(Call { name, arguments })))
}

fn step(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Call>> {
    if !input.peek(Token![.]) {
        let fault = Fault::new("expected `.` and a step");
        errors.syntax(input.error(fault.text()));
        skip_to_dot(input)?;
        return Ok(None);
    }
    let dot: Token![.] = input.parse()?;
    if !input.peek(Ident::peek_any) {
        let steps = list(grammar::STEPS.iter().map(|row| row.name));
        let fault = Fault::new("a step is expected after `.`").help(format!("steps are {steps}"));
        errors.at(dot, fault);
        skip_to_dot(input)?;
        return Ok(None);
    }
    let name = Ident::parse_any(input)?;
    if !input.peek(token::Paren) {
        let fault = Fault::new(format!("the step `{name}` needs parentheses"));
        errors.at(&name, fault.help(format!("write `.{name}(…)`")));
        skip_to_dot(input)?;
        let arguments = None;
        return Ok(Some(Call { name, arguments }));
    }
    let arguments = Some(arguments(input, errors)?);
    Ok(Some(Call { name, arguments }))
}

fn arguments(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Arguments> {
    let content;
    let span = parenthesized!(content in input).span.join();
    Ok(Arguments::parse(content.parse()?, span, errors))
}

fn skip_to_dot(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![.]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
