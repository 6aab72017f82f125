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
    let head = item.and_then(|item| {
        let signature = signature::check(&item, &mut errors)?;
        Some((item, signature))
    });
    let errors = errors.into_tokens();
    match head {
        // With wrong arguments only, the verbs are still there: calls of them add no errors.
        Some((item, signature)) => {
            let function = model::Function::new(item, signature, arguments);
            let code = expand::function(&function);
            quote!(#errors #code)
        }
        None => quote!(#errors #tokens),
    }
}
