//! `#[app::python]`: a function without a body, whose body is that of a function in a file of Python.

mod source;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;

use crate::diag::{Errors, Fault, list, nearest};
use crate::function::args::{self, Settings};
use crate::function::model::{Function, Role};
use crate::function::{expand, no_retries, signature};
use crate::item::Item;
use crate::keyword::Checked;
use crate::text::local;

/// What the attribute is called in messages.
const ATTRIBUTE: &str = "#[app::python]";

/// Expands `#[app::python(…)]`.
pub(crate) fn python(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = args::read(ATTRIBUTE, &args::python(), arguments, &mut errors);
    let keywords_are_right = errors.is_empty();
    let Some(item) = Item::read(ATTRIBUTE, &tokens, &mut errors) else {
        return errors.into_tokens();
    };
    if let Some(body) = &item.body {
        let fault = Fault::new(format!(
            "a function under `{ATTRIBUTE}` has no body: it is in the file"
        ));
        errors.at_span(
            body.span_open(),
            fault.help("write `;` in place of the body"),
        );
    }
    if settings.file.is_none() && keywords_are_right {
        let fault = Fault::new(format!("`{ATTRIBUTE}` must name a file"));
        errors.at(
            &item.signature.ident,
            fault.help("add `file = \"train.py\"`"),
        );
    }
    let code = signature::check(ATTRIBUTE, &item, &mut errors).map(|signature| {
        if signature.output.making.is_some() {
            no_retries(&settings, &mut errors);
        }
        let path = file(&item, &signature, &settings, &mut errors);
        let mut function = Function::new(item, signature, settings);
        function.role = Role::Python {
            path: path.filter(|_| errors.is_empty()),
        };
        function
    });
    // Where something is wrong, the verbs are still there: calls of them add no errors.
    let code = code.as_ref().map(expand::function);
    let errors = errors.into_tokens();
    quote!(#errors #code)
}

/// The path of the file, which has the function.
fn file(
    item: &Item,
    signature: &signature::Signature,
    settings: &Settings,
    errors: &mut Errors,
) -> Option<String> {
    let Some((_, Checked::Text(file))) = &settings.file else {
        return None;
    };
    let Ok(path) = local::resolve(&file.value(), "file") else {
        return None;
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            errors.at(
                file,
                Fault::new(format!("`{}` cannot be read: {error}", file.value())),
            );
            return None;
        }
    };
    let name = item.signature.ident.unraw().to_string();
    match source::find(&text, &name) {
        Some(found) => check_parameters(&file.value(), &found, signature, item, errors),
        None => {
            let fault = Fault::new(format!(
                "`{}` does not define a function `{name}` at its top level",
                file.value()
            ));
            let known = source::functions(&text);
            let help = match nearest(&name, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None if known.is_empty() => format!("write `def {name}(…):` there"),
                None => format!("it defines {}", list(&known)),
            };
            errors.at(&item.signature.ident, fault.help(help));
        }
    }
    Some(path.to_string_lossy().into_owned())
}

/// Compares the parameters here with those there, which are given by their places.
fn check_parameters(
    file: &str,
    found: &source::Definition,
    signature: &signature::Signature,
    item: &Item,
    errors: &mut Errors,
) {
    let Some(there) = &found.parameters else {
        return;
    };
    let place = format!("`{file}:{}`", found.line);
    for (index, parameter) in signature.parameters.iter().enumerate() {
        let name = parameter.name.unraw().to_string();
        match there.positional.get(index) {
            Some(other) if other.name == name => {}
            Some(other) => {
                let fault = Fault::new(format!(
                    "this parameter is `{name}` here and `{}` in {place}",
                    other.name
                ));
                errors.at(
                    &parameter.name,
                    fault.help(format!("call both `{}`", other.name)),
                );
            }
            None if there.takes_more => {}
            None => {
                let fault =
                    Fault::new(format!("the function in {place} has no parameter `{name}`"));
                let help = match there.positional.len() {
                    0 => "it takes none".to_owned(),
                    _ => format!(
                        "it takes {}",
                        list(there.positional.iter().map(|p| &p.name))
                    ),
                };
                errors.at(&parameter.name, fault.help(help));
            }
        }
    }
    let missing = there.positional.iter().skip(signature.parameters.len());
    let missing = missing.filter(|p| !p.has_default).map(|p| &p.name);
    let missing: Vec<_> = missing.chain(&there.keyword_only).collect();
    if !missing.is_empty() {
        let fault = Fault::new(format!(
            "the function in {place} needs {} too",
            list(&missing)
        ));
        let help = match there.keyword_only.is_empty() {
            true => "add it here, or give it a default there",
            false => {
                "arguments are given by their places: take it before the `*`, or give it a default there"
            }
        };
        errors.at(&item.signature.ident, fault.help(help));
    }
}
