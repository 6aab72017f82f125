//! `#[app::function]`: parse → check → expand. The function itself stays as it is; its verbs come beside it.

pub(crate) mod args;
pub(crate) mod expand;
mod free;
mod long_arrays;
pub(crate) mod model;
pub(crate) mod signature;
mod source;
mod stream;
pub(crate) mod verbs;

pub(crate) use expand::options;
use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::diag::{Errors, Fault};
use crate::item::Item;

/// What the attribute is called in messages.
const ATTRIBUTE: &str = "#[app::function]";

/// Items that were taken cannot be taken back, so a stream is made once.
pub(crate) fn no_retries(settings: &args::Settings, errors: &mut Errors) {
    let mut options = settings.options.iter();
    if let Some((keyword, _)) = options.find(|(keyword, _)| keyword == "retries") {
        let fault = Fault::new(
            "a function that makes a stream cannot have `retries`: items that were taken cannot be taken back",
        );
        errors.at(
            keyword,
            fault.help("return a `Vec`, or leave out `retries`"),
        );
    }
}

/// What a struct of its name would hide from all that stands beside it.
const HIDDEN: [&str; 20] = [
    "alloc", "bool", "char", "core", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
    "std", "str", "u8", "u16", "u32", "u64", "u128", "usize",
];

/// Whether the struct that carries the verbs can have the name of the function; that it cannot is reported.
pub(crate) fn check_name(
    attribute: &str,
    item: &Item,
    help: impl Fn(&Ident) -> String,
    errors: &mut Errors,
) -> bool {
    let name = &item.signature.ident;
    let is_hidden = HIDDEN.iter().any(|hidden| name == hidden);
    if is_hidden {
        let fault = Fault::new(format!(
            "a function under `{attribute}` cannot be called `{name}`: a type that carries its verbs gets the name, too"
        ));
        errors.at(name, fault.help(help(name)));
    }
    !is_hidden
}

/// Takes off the same attribute where it stands on the function once more, which is reported.
fn take_again(item: &mut Item, errors: &mut Errors) {
    item.attributes.retain(|attribute| {
        let path: Vec<_> = attribute.path().segments.iter().rev().take(2).collect();
        let is_again = matches!(&path[..], [last, before] if last.ident == "function" && before.ident == "app");
        if is_again {
            let fault = Fault::new(format!("`{ATTRIBUTE}` stands on this function already"));
            errors.at(attribute, fault.help("write all keywords into one of them"));
        }
        !is_again
    });
}

/// Expands `#[app::function(…)]`.
pub(crate) fn function(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = args::read(ATTRIBUTE, args::FUNCTION, arguments, &mut errors);
    let item = Item::read(ATTRIBUTE, &tokens, &mut errors);
    let Some(mut item) = item else {
        let errors = errors.into_tokens();
        return quote!(#errors #tokens);
    };
    take_again(&mut item, &mut errors);
    let signature = signature::check(ATTRIBUTE, &item, &mut errors);
    let called =
        |name: &_| format!("give it another name here; `name = \"{name}\"` is what callers see");
    let signature = signature.filter(|_| check_name(ATTRIBUTE, &item, called, &mut errors));
    let signature = signature.filter(|_| free::check(&item, &mut errors));
    if item.body.is_none() {
        let fault = Fault::new(format!("a function under `{ATTRIBUTE}` needs a body"));
        errors.at(&item.signature.ident, fault);
        return errors.into_tokens();
    }
    let code = match signature {
        // With wrong arguments only, the verbs are still there: calls of them add no errors.
        Some(signature) => {
            if signature.output.making.is_some() {
                no_retries(&arguments, &mut errors);
            }
            expand::function(&model::Function::new(item, signature, arguments))
        }
        // Of what the compiler would say again, it sees nothing.
        None if signature::unsized_types(&item).next().is_some() => TokenStream::new(),
        None => tokens,
    };
    let errors = errors.into_tokens();
    quote!(#errors #code)
}
