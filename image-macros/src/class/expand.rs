//! Writes the code of a class: a struct whose fields are the methods, each with its verbs; and `handle`, which makes one. It stands in a
//! nameless constant, so that no name but the user's is taken. Nothing can fail here.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt as _;

use super::check::{Class, name_of};
use crate::function::expand::{arguments, bounds, invoke, registered, spec};
use crate::function::model::Function;
use crate::function::verbs::{put_and_encoded, verbs};
use crate::paths::private;

/// What comes beside the `impl`.
pub(super) fn class(class: &Class) -> TokenStream {
    let p = private();
    let Class {
        name,
        ty,
        cfg,
        enter,
        exit,
        ..
    } = class;
    let enter_spec = spec(enter);
    let enter_bounds = bounds(enter);
    let exit = match exit {
        Some(exit) => {
            let (name, invoke) = (&exit.name, invoke(exit));
            quote!(::core::option::Option::Some(#p::ExitSpec { name: #name, invoke: #invoke }))
        }
        None => quote!(::core::option::Option::None),
    };
    let handle_type = format_ident!("Handle_{}", name_of(ty), span = Span::call_site());
    let handle = handle(class, &handle_type);
    let methods = class.methods.iter().map(method);
    quote! {
        #(#cfg)*
        #[allow(
            non_camel_case_types, dead_code, deprecated, unreachable_pub, private_interfaces, private_bounds,
            missing_copy_implementations, clippy::all, clippy::pedantic, clippy::nursery
        )]
        const _: () = {
            static STATE__: #p::State = #p::State::new();
            static CLASS__: #p::ClassSpec = #p::ClassSpec {
                name: #name,
                enter: #enter_spec,
                exit: #exit,
            };
            #enter_bounds
            #handle
            #(#methods)*

            impl #p::Class for #ty {
                type Handle = #handle_type;
            }
        };
    }
}

/// The struct of the methods, and what makes one.
fn handle(class: &Class, handle: &Ident) -> TokenStream {
    let p = private();
    let Class {
        name, ty, enter, ..
    } = class;
    let (names, declared) = arguments(enter);
    let encoded = put_and_encoded(&names);
    let doc = format!(
        "Calls of `{name}` in containers of its own: `{name}::handle(…).method.remote(…)`."
    );
    let made = format!(
        "The methods of `{name}`, to be called in containers whose state `{}()` makes of these arguments.",
        enter.item.signature.ident.unraw()
    );
    let fields = class.methods.iter().map(|method| {
        let (cfg, docs) = (attributes(method, "cfg"), attributes(method, "doc"));
        let (field, ty) = (&method.item.signature.ident, type_of(method));
        quote!(#(#cfg)* #(#docs)* pub #field: #ty)
    });
    let values = class.methods.iter().map(|method| {
        let cfg = attributes(method, "cfg");
        let (field, ty) = (&method.item.signature.ident, type_of(method));
        quote!(#(#cfg)* #field: #ty { instance: ::core::clone::Clone::clone(&instance) })
    });
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #handle {
            #(#fields,)*
        }

        impl #ty {
            #[doc = #made]
            pub fn handle(#declared) -> #handle {
                let instance = #p::Instance::new(&CLASS__, #encoded);
                #handle { #(#values,)* }
            }
        }
    }
}

/// A method as a type with the verbs.
fn method(method: &Function) -> TokenStream {
    let p = private();
    let cfg = attributes(method, "cfg");
    let ty = type_of(method);
    let name = &method.name;
    let doc = format!("Calls of `{name}`.");
    let verbs = verbs(method);
    let registered = registered(method);
    quote! {
        #(#cfg)*
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #ty {
            instance: #p::Instance,
        }

        #(#cfg)*
        impl #ty {
            #verbs
            #registered
        }
    }
}

fn attributes(method: &Function, name: &str) -> Vec<syn::Attribute> {
    method.item.attributes_named(name).cloned().collect()
}

/// The type of a method. No type of the user is called so.
fn type_of(method: &Function) -> Ident {
    let name = method.item.signature.ident.unraw();
    format_ident!("Method_{name}", span = Span::call_site())
}
