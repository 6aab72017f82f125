//! `#[app::cls]`: parse → check → expand. The `impl` stays as it is but for the attributes inside; what can be called comes beside it.

mod block;
mod check;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;

use self::block::Block;
use crate::diag::Errors;
use crate::function::args;

/// What the attribute is called in messages.
const ATTRIBUTE: &str = "#[app::cls]";

/// What the attribute of the function that makes the state is called in messages.
pub(crate) const ENTER: &str = "#[enter]";
const METHOD: &str = "#[method]";
const EXIT: &str = "#[exit]";

/// Expands `#[app::cls(…)]`.
pub(crate) fn class(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = args::read(ATTRIBUTE, args::FUNCTION, arguments, &mut errors);
    let Some(mut block) = Block::read(&tokens, &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#errors #tokens);
    };
    let class = check::check(&block, settings, &mut errors);
    let code = class.as_ref().map(expand::class);
    // Of what the compiler would say again, it sees nothing.
    block.members.retain(|member| !member.hands_over_unsized());
    let errors = errors.into_tokens();
    quote!(#errors #block #code)
}
