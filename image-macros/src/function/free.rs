//! Whether a function stands outside of any `impl`. A macro sees only the function, and so only what it says of that itself.

use std::mem;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens as _, quote};

use super::ATTRIBUTE;
use crate::diag::{Errors, Fault};
use crate::item::Item;
use crate::syntax::find_self;

/// Whether a function stands free, as far as it can be seen; that it does not is reported. Only an `impl` has a `Self`.
pub(super) fn check(item: &Item, errors: &mut Errors) -> bool {
    let signature = &item.signature;
    // That it takes `self` is said of the parameter.
    if signature.receiver().is_some() {
        return true;
    }
    let body = own_words(item.body.to_token_stream());
    let Some(word) = find_self(quote!(#signature #body)) else {
        return true;
    };
    let fault = Fault::new(format!(
        "a function under `{ATTRIBUTE}` stands outside of any `impl`, and has no `Self`"
    ));
    let help = "move it out of the `impl`, and write the name of the type";
    errors.at(word, fault.help(help));
    false
}

/// The tokens of a body in which a `Self` would be that of an `impl` around it: none where something inside may have one of its own, and
/// nothing that a macro is given.
fn own_words(body: TokenStream) -> TokenStream {
    let of_own = ["impl", "trait", "struct", "enum", "union", "macro_rules"];
    let mut all = Vec::new();
    let mut is_given = false;
    for token in body {
        let was_given = mem::replace(
            &mut is_given,
            matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '!'),
        );
        match token {
            TokenTree::Ident(word) if of_own.iter().any(|known| word == known) => {
                return TokenStream::new();
            }
            TokenTree::Group(_) if was_given => {}
            TokenTree::Group(group) => all.extend(own_words(group.stream())),
            other => all.push(other),
        }
    }
    all.into_iter().collect()
}
