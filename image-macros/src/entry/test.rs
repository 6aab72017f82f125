//! `#[app::test]`: a test whose process can also be a worker.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;

use crate::diag::{Errors, Fault};
use crate::item::Item;
use crate::paths::private;

const ATTRIBUTE: &str = "#[app::test]";

/// Expands `#[app::test]`.
pub(crate) fn test(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !arguments.is_empty() {
        let fault = Fault::new(format!("`{ATTRIBUTE}` takes no arguments"));
        errors.at(&arguments, fault);
    }
    let item = Item::read(ATTRIBUTE, &tokens, &mut errors);
    if let Some(item) = &item {
        item.check_plain(ATTRIBUTE, &mut errors);
        item.check_no_parameters(ATTRIBUTE, &mut errors);
        super::check_no_other(item, ATTRIBUTE, "test", &mut errors);
        if item.body.is_none() {
            let fault = Fault::new("a test needs a body");
            errors.at(&item.signature.ident, fault);
        }
    }
    match item {
        Some(item) if errors.is_empty() => expand(item),
        Some(_) => errors.into_tokens(),
        None => {
            let errors = errors.into_tokens();
            quote!(#errors #tokens)
        }
    }
}

/// The entry stands inside the test, so that it is there exactly where the test is.
fn expand(mut item: Item) -> TokenStream {
    let p = private();
    let outer = super::split_attributes(&mut item);
    let visibility = std::mem::replace(&mut item.visibility, syn::Visibility::Inherited);
    let name = item.signature.ident.clone();
    let text = name.unraw().to_string();
    let output = &item.signature.output;
    let body = match item.signature.asyncness {
        Some(_) => quote!(|| #p::block_on(#name())),
        None => quote!(#name),
    };
    quote! {
        #[::core::prelude::v1::test]
        #(#outer)*
        #visibility fn #name() #output {
            static TEST_ENTRY__: #p::TestEntry = #p::TestEntry {
                path: ::core::concat!(::core::module_path!(), "::", #text),
            };
            #p::inventory::submit! { #p::RegisteredTest(&TEST_ENTRY__) }
            #item
            #p::run_test(#body)
        }
    }
}
