//! Pieces of code that several expansions share: places, images as they are named, environments.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ExprPath, Ident, Path};

use crate::keyword::{Checked, Retries};
use crate::made::{self, Made};
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
pub(crate) fn image_reference(path: &ExprPath) -> TokenStream {
    let p = private();
    let text = path_text(path);
    quote!(#p::ImageRef { image: #path, path: #text, module: ::core::module_path!() })
}

/// A function that runs while an image is built. The path stands in it once.
///
/// A function without the attribute is a value and no type. So the name that it is imported by means a stand-in there, as a type, and what
/// that answers is refused. What does not exist at all is both, and only the import is an error.
fn build_function(path: &Path) -> TokenStream {
    let p = private();
    let name = Ident::new("Function__", path.span());
    let imported = quote_spanned!(path.span()=> use #path as #name;);
    let found = quote_spanned!(path.span()=> <#name>::BUILD__);
    let refused = quote_spanned!(path.span()=> ::core::panic!("{}", why));
    quote!({
        // The value of a Python function, which has none.
        #[allow(non_snake_case, dead_code)]
        const fn Function__() {}
        {
            #[allow(unused_imports)]
            use #p::{not_annotated::*, NotAnnotated as _};
            #imported
            const FUNCTION__: #p::BuildFunction = #found;
            const _: () = {
                let _ = #name;
                if let ::core::option::Option::Some(why) = #p::cannot_run_while_building(&FUNCTION__) {
                    #refused
                }
            };
            FUNCTION__
        }
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
            Self::Secret(secret) => secret.tokens(made::SECRET),
            Self::Secrets(secrets) => {
                let secrets = secrets.iter().map(|secret| secret.tokens(made::SECRET));
                quote!(&[#(#secrets),*])
            }
            Self::Volumes(volumes) => {
                let volumes = volumes.iter().map(|(target, volume)| {
                    let volume = volume.tokens(made::VOLUME);
                    quote!((#target, #volume))
                });
                quote!(&[#(#volumes),*])
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| quote!((#key, #value)));
                quote!(&[#(#entries),*])
            }
            Self::Duration(duration) => self::duration(*duration),
            Self::Count(count, _) => quote!(#count),
            Self::Factor(number) | Self::Cpus(number) => quote!(#number),
            Self::Gpu(alternatives) => {
                let p = private();
                let optional = |value: Option<TokenStream>| match value {
                    Some(value) => quote!(::core::option::Option::Some(#value)),
                    None => quote!(::core::option::Option::None),
                };
                let alternatives = alternatives.iter().map(|(text, gpu)| {
                    let kind = optional(gpu.kind.map(|kind| quote!(#kind)));
                    let memory = optional(gpu.memory.map(|memory| quote!(#memory)));
                    let count = optional(gpu.count.map(|count| quote!(#count)));
                    quote!(#p::Gpu { text: #text, kind: #kind, memory: #memory, count: #count })
                });
                quote!(&[#(#alternatives),*])
            }
            Self::Memory(bytes) => quote!(#bytes),
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

impl Made {
    fn tokens(&self, ty: made::Type) -> TokenStream {
        match self {
            Self::By(path, argument) => {
                let segments = &path.segments;
                let constructor = match (path.leading_colon, segments.len(), segments.last()) {
                    // The type need not be imported.
                    (None, 2, Some(constructor)) => {
                        let p = private();
                        let name = Ident::new(ty.name, proc_macro2::Span::call_site());
                        quote!(#p::#name::#constructor)
                    }
                    _ => quote!(#path),
                };
                quote!(#constructor(#argument))
            }
            Self::Named(path) => quote!(#path),
        }
    }
}
