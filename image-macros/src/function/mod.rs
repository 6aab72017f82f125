//! `#[app::function]`: parse → check → expand. The function itself stays as it is; its verbs come beside it.

pub(crate) mod args;
pub(crate) mod expand;
pub(crate) mod model;
pub(crate) mod signature;
mod source;
mod stream;
pub(crate) mod verbs;

pub(crate) use expand::options;
use proc_macro2::TokenStream;
use quote::quote;

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

/// Expands `#[app::function(…)]`.
pub(crate) fn function(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = args::read(ATTRIBUTE, args::FUNCTION, arguments, &mut errors);
    let item = Item::read(ATTRIBUTE, &tokens, &mut errors);
    let Some(item) = item else {
        let errors = errors.into_tokens();
        return quote!(#errors #tokens);
    };
    let signature = signature::check(ATTRIBUTE, &item, &mut errors);
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
        None => tokens,
    };
    let errors = errors.into_tokens();
    quote!(#errors #code)
}
