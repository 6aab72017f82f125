//! Pieces of code that several expansions share: places, images as they are named, environments.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned as _;

use crate::keyword::{Checked, Retries, Secret};
use crate::paths::private;
use crate::syntax::path_text;

/// The `Place` of the macro call.
pub(crate) fn here() -> TokenStream {
    let p = private();
    quote! {
        #p::Place {
            file: ::core::file!(),
            line: ::core::line!(),
            column: ::core::column!(),
            module: ::core::module_path!(),
            manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
        }
    }
}

/// The `ImageRef` of a path. The path itself stands in it once, so that a missing image is one error at it.
pub(crate) fn image_reference(path: &Path) -> TokenStream {
    let p = private();
    let text = path_text(path);
    quote!(#p::ImageRef { image: #path, path: #text, module: ::core::module_path!() })
}

/// A function that runs while an image is built. The path stands in it once.
fn build_function(path: &Path) -> TokenStream {
    let p = private();
    let found = quote_spanned!(path.span()=> <#path>::BUILD__);
    let refused = quote_spanned!(path.span()=> ::core::panic!("{}", why));
    quote!({
        const FUNCTION__: #p::BuildFunction = #found;
        const _: () = if let ::core::option::Option::Some(why) = #p::cannot_run_while_building(&FUNCTION__) {
            #refused
        };
        FUNCTION__
    })
}

fn duration(duration: Duration) -> TokenStream {
    let milliseconds =
        u64::try_from(duration.as_millis()).expect("a duration is parsed as milliseconds that fit");
    quote!(::core::time::Duration::from_millis(#milliseconds))
}

impl Checked {
    /// The value as it is handed to `image-runtime`.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Flag(flag) => quote!(#flag),
            Self::Text(text) => quote!(#text),
            Self::Texts(texts) => quote!(&[#(#texts),*]),
            Self::Words(words) => quote!(&[#(#words),*]),
            Self::Secrets(secrets) => {
                let p = private();
                let secrets = secrets.iter().map(|secret| match secret {
                    Secret::Made(constructor, argument) => {
                        quote!(#p::Secret::#constructor(#argument))
                    }
                    Secret::Named(path) => quote!(#path),
                });
                quote!(&[#(#secrets),*])
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| quote!((#key, #value)));
                quote!(&[#(#entries),*])
            }
            Self::Duration(duration) => self::duration(*duration),
            Self::Count(count, _) => quote!(#count),
            Self::Factor(factor) => quote!(#factor),
            Self::Retries(Retries { max, pace }) => {
                let p = private();
                match pace {
                    None => quote!(#p::Retries::times(#max)),
                    Some((delay, backoff)) => {
                        let delay = self::duration(*delay);
                        quote!(#p::Retries { max: #max, initial_delay: #delay, backoff: #backoff })
                    }
                }
            }
            Self::Image(path) => image_reference(path),
            Self::Function(path) => build_function(path),
        }
    }
}
