//! `#[app::function]`: parse → check → expand. The function itself stays as it is; its verbs come beside it.

pub(crate) mod args;
mod expand;
mod model;
mod signature;

pub(crate) use expand::options;
use proc_macro2::TokenStream;
use quote::quote;

use crate::diag::Errors;
use crate::item::Item;

/// What the attribute is called in messages.
const ATTRIBUTE: &str = "#[app::function]";

/// Expands `#[app::function(…)]`.
pub(crate) fn function(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = args::read(ATTRIBUTE, args::FUNCTION, arguments, &mut errors);
    let item = Item::read(ATTRIBUTE, &tokens, &mut errors);
    let Some(item) = item else {
        let errors = errors.into_tokens();
        return quote!(#errors #tokens);
    };
    let code = match signature::check(&item, &mut errors) {
        // With wrong arguments only, the verbs are still there: calls of them add no errors.
        Some(signature) => expand::function(&model::Function::new(item, signature, arguments)),
        // Without a body the compiler would report the function once more.
        None if item.body.is_none() => TokenStream::new(),
        None => tokens,
    };
    let errors = errors.into_tokens();
    quote!(#errors #code)
}
