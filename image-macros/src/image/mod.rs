//! `image!`: parse → check → expand. What is checked is in [`grammar`], one row a base and one row a step.

mod advice;
mod ast;
mod builder;
mod check;
mod conda;
mod dockerfile;
mod expand;
pub(crate) mod grammar;
mod model;
mod parse;
mod python;
mod rules;

use proc_macro2::TokenStream;

use crate::diag::Errors;

/// Expands `image!( … )`.
pub(crate) fn image(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let chain = parse::chain(input, &mut errors);
    match check::chain(&chain, &mut errors) {
        Some(image) if errors.is_empty() => expand::image(&image),
        _ => expand::fallback(errors, &chain),
    }
}
