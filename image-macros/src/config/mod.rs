//! `app::config!`: the program's name and the defaults of its functions.

use proc_macro2::TokenStream;
use quote::quote;

use crate::diag::Errors;
use crate::function::args::{self, Settings};
use crate::function::options;
use crate::paths::private;
use crate::tokens;

/// Expands `app::config! { … }`.
pub(crate) fn config(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = args::read("app::config!", args::CONFIG, input, &mut errors);
    match errors.is_empty() {
        true => expand(&settings),
        false => errors.into_tokens(),
    }
}

fn expand(settings: &Settings) -> TokenStream {
    let p = private();
    let optional = |setting: &Option<_>, name: TokenStream| match setting {
        Some((keyword, value)) => {
            let value = crate::keyword::Checked::tokens(value);
            quote!(#keyword: ::core::option::Option::Some(#value))
        }
        None => quote!(#name: ::core::option::Option::None),
    };
    let name = optional(&settings.name, quote!(name));
    let image = optional(&settings.image, quote!(image));
    let options = options(&settings.options);
    let place = tokens::here();
    quote! {
        const _: () = {
            static APP_SPEC__: #p::AppSpec = #p::AppSpec {
                #name,
                #image,
                options: #options,
                place: #place,
            };
            #p::inventory::submit! { #p::RegisteredApp(&APP_SPEC__) }
        };
    }
}
