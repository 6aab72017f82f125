//! Writes the code of an annotated function: the function as it is, and beside it a struct of its name that carries the verbs.
//! Structs take the namespace of types, functions that of values, so both can have one name. Nothing can fail here.
//!
//! Whether the types can travel is checked once a type, under its span. All other code that needs it goes through items of
//! `image-runtime` that exist for every type, so that a type that cannot travel is one error.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Ident, Token};

use super::args::Settings;
use super::model::{Function, Role};
use super::signature::{Output, Parameter};
use super::source;
use super::stream::Making;
use super::verbs::{encoded, verbs, way};
use crate::keyword::Checked;
use crate::paths::private;
use crate::tokens;

/// The function and what comes beside it.
pub(crate) fn function(function: &Function) -> TokenStream {
    let item = &function.item;
    let cfg: Vec<_> = item.attributes_named("cfg").collect();
    let visibility = &item.visibility;
    let name = &item.signature.ident;
    let verb = match function.signature.output.making {
        None => "remote",
        Some(_) => "stream",
    };
    let doc = format!("Calls of `{name}()` in a container of its image, by `{name}::{verb}(…)`.");
    let (here, said, local) = match function.role {
        // Nothing of it is here but its head. What is said of it goes on what stands for it, and may name what is here.
        Role::Python { .. } => {
            let docs = item.attributes.iter().filter(|a| !a.path().is_ident("cfg"));
            let said = quote!(#[allow(unused_imports)] use super::*; #(#docs)*);
            (None, Some(said), None)
        }
        _ => (Some(quote!(#item)), None, Some(local(function))),
    };
    let advice = advice(function);
    let verbs = verbs(function);
    let registered = registered(function);
    let build = build(function);
    let module = module(name);
    quote! {
        #here

        #advice

        #(#cfg)*
        #[doc(hidden)]
        #[allow(non_snake_case)]
        mod #module {
            #said
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code, unreachable_pub, missing_copy_implementations, missing_debug_implementations)]
            pub struct #name {}
        }

        #(#cfg)*
        #[allow(unused_imports, unreachable_pub, deprecated)]
        #visibility use #module::#name;

        #(#cfg)*
        #[allow(dead_code, deprecated, unreachable_pub, private_interfaces, private_bounds, clippy::all, clippy::pedantic, clippy::nursery)]
        impl #module::#name {
            #local
            #verbs
            #registered
            #build
        }
    }
}

/// What is said of the file of a Python function. What silences it stands on the function.
fn advice(function: &Function) -> Option<TokenStream> {
    let Role::Python {
        advice: Some(advice),
        ..
    } = &function.role
    else {
        return None;
    };
    let says = ["cfg", "allow", "expect", "warn", "deny", "forbid"];
    let attributes = function.item.attributes.iter().filter(|attribute| {
        let path = attribute.path();
        says.iter().any(|name| path.is_ident(name))
    });
    let advice = advice.tokens();
    Some(quote!(#(#attributes)* const _: () = { #advice };))
}

/// Where the struct is: a place of its own for each function, so that of two functions of one name only the names are told,
/// and not every item of theirs.
fn module(name: &Ident) -> Ident {
    let start = name.span().start();
    format_ident!(
        "{}_{}_{}__",
        name.unraw(),
        start.line,
        start.column,
        span = Span::call_site()
    )
}

/// What `run_function` asks of the function.
fn build(function: &Function) -> TokenStream {
    let p = private();
    let parameters = function.signature.parameters.len();
    let makes_stream = function.signature.output.making.is_some();
    let source = source::of(&function.item);
    quote! {
        #[doc(hidden)]
        pub const BUILD__: #p::BuildFunction = #p::BuildFunction {
            spec: Self::spec__,
            parameters: #parameters,
            makes_stream: #makes_stream,
            source: #source,
        };
    }
}

/// A name that only the expansion can mean, at the place of the user's, so that an editor still shows it.
fn hygienic(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::mixed_site().located_at(name.span()));
    name
}

pub(crate) fn arguments(function: &Function) -> (Vec<Ident>, TokenStream) {
    let parameters = &function.signature.parameters;
    let names: Vec<_> = parameters.iter().map(|p| hygienic(&p.name)).collect();
    let types = parameters.iter().map(|p| &p.ty);
    let declared = quote!(#(#names: #types),*);
    (names, declared)
}

fn local(function: &Function) -> TokenStream {
    let signature = &function.item.signature;
    let name = &signature.ident;
    let (names, declared) = arguments(function);
    let asyncness = &signature.asyncness;
    let output = &signature.output;
    let waits = waits(asyncness.as_ref());
    let doc = format!("Runs here, like `{name}()`.");
    quote! {
        #[doc = #doc]
        pub #asyncness fn local(#declared) #output {
            #name(#(#names),*) #waits
        }
    }
}

fn waits(asyncness: Option<&Token![async]>) -> Option<TokenStream> {
    asyncness.map(|_| quote!(.await))
}

/// The function's entry in the registry, and what the worker runs.
pub(crate) fn spec(function: &Function) -> TokenStream {
    let p = private();
    let place = tokens::here();
    let name = &function.name;
    let settings = &function.settings;
    let name = match (&settings.name, &function.role) {
        (Some((keyword, _)), Role::Free | Role::Python { .. }) => quote!(#keyword: #name),
        _ => quote!(name: #name),
    };
    let (class, image, options) = match &function.role {
        Role::Free | Role::Python { .. } | Role::Enter { .. } => {
            let image = image(settings);
            let options = options(&settings.options);
            (quote!(::core::option::Option::None), image, options)
        }
        Role::Method { .. } => (
            quote!(::core::option::Option::Some(&CLASS__)),
            quote!(image: CLASS__.enter.image),
            quote!(CLASS__.enter.options),
        ),
    };
    let signature = &function.signature;
    let parameters = signature.parameters.iter().map(|parameter| {
        let name = parameter_name(parameter);
        let ty = type_text(&parameter.ty);
        quote!(#p::Parameter { name: #name, ty: #ty })
    });
    let result = type_text(&signature.output.ty);
    let invoke = invoke(function);
    let json = json(function);
    quote! {
        #p::FunctionSpec {
            #name,
            class: #class,
            place: #place,
            #image,
            options: #options,
            parameters: &[#(#parameters),*],
            result: #result,
            invoke: #invoke,
            json: #json,
        }
    }
}

/// What makes the function known, and the `spec__()` that the verbs ask.
pub(crate) fn registered(function: &Function) -> TokenStream {
    let p = private();
    let spec = spec(function);
    let bounds = bounds(function);
    quote! {
        #[doc(hidden)]
        fn spec__() -> &'static #p::FunctionSpec {
            static FUNCTION_SPEC__: #p::FunctionSpec = #spec;
            #p::inventory::submit! { #p::RegisteredFunction(&FUNCTION_SPEC__) }
            #bounds
            &FUNCTION_SPEC__
        }
    }
}

/// The image that a keyword names.
fn image(settings: &Settings) -> TokenStream {
    match &settings.image {
        Some((keyword, image)) => {
            let image = image.tokens();
            quote!(#keyword: ::core::option::Option::Some(#image))
        }
        None => quote!(image: ::core::option::Option::None),
    }
}

/// `FunctionOptions::new().timeout(…)`: the keywords keep their spans.
pub(crate) fn options(options: &[(Ident, Checked)]) -> TokenStream {
    let p = private();
    let options = options.iter().map(|(keyword, value)| {
        let value = value.tokens();
        quote!(.#keyword(#value))
    });
    quote!(#p::FunctionOptions::new() #(#options)*)
}

fn parameter_name(parameter: &Parameter) -> String {
    parameter.name.unraw().to_string()
}

/// A type as one writes it.
pub(crate) fn type_text(ty: &impl quote::ToTokens) -> String {
    let mut text = quote!(#ty).to_string();
    for (spaced, close) in [
        (" :: ", "::"),
        (" < ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (":: ", "::"),
        (" ;", ";"),
    ] {
        text = text.replace(spaced, close);
    }
    text
}

/// Says once a type, at the type, that it can travel.
pub(crate) fn bounds(function: &Function) -> TokenStream {
    let p = private();
    let signature = &function.signature;
    let mut seen = HashSet::new();
    let arguments = signature.parameters.iter().filter_map(|parameter| {
        let ty = &parameter.owned;
        let first = seen.insert(ty.to_string());
        first.then(|| quote_spanned!(parameter.ty.span()=> #p::argument::<#ty>();))
    });
    let Output { value, error, .. } = &signature.output;
    let output = match function.role {
        // A state stays where it is.
        Role::Enter { .. } => None,
        _ => Some(quote_spanned!(value.span()=> #p::output::<#value>();)),
    };
    let error = error
        .as_ref()
        .map(|error| quote_spanned!(error.span()=> #p::returned_error::<#error>();));
    // What is written only in the head of a function that has no body is used, too.
    let head = match function.role {
        Role::Python { .. } => {
            let (_, declared) = self::arguments(function);
            let written = &function.item.signature.output;
            Some(quote!(trait Head__ { fn head__(#declared) #written; }))
        }
        _ => None,
    };
    quote! {
        fn bounds__() {
            #head
            #(#arguments)*
            #output
            #error
        }
    }
}

/// Decodes the arguments, calls the function, encodes what it returns.
pub(crate) fn invoke(function: &Function) -> TokenStream {
    let p = private();
    let signature = &function.signature;
    let name = &function.item.signature.ident;
    let types: Vec<_> = signature.parameters.iter().map(|p| &p.owned).collect();
    let names: Vec<_> = argument_names(types.len()).collect();
    let callable = match &function.role {
        Role::Python { path, .. } => return python(function, path.as_deref()),
        Role::Free => quote!(#name),
        Role::Method { class, .. } | Role::Enter { class } => quote!(<#class>::#name),
    };
    let state = match &function.role {
        Role::Free | Role::Python { .. } | Role::Enter { .. } => None,
        Role::Method {
            class,
            is_mut: false,
        } => Some(quote!(&*#p::State::read::<#class>(&STATE__),)),
        Role::Method {
            class,
            is_mut: true,
        } => Some(quote!(&mut *#p::State::write::<#class>(&STATE__),)),
    };
    let handed = signature
        .parameters
        .iter()
        .zip(&names)
        .map(|(parameter, name)| {
            let and = parameter.loan.as_ref().map(|_| quote!(&));
            quote!(#and #name)
        });
    let asyncness = function.item.signature.asyncness.as_ref();
    let waits = waits(asyncness);
    let value = &signature.output.value;
    let returned = quote!(#callable(#state #(#handed),*) #waits);
    let [bytes, arguments, result, error, bulk, value_put] =
        ["bytes", "arguments", "result", "error", "bulk", "value"]
            .map(|name| Ident::new(name, Span::mixed_site()));
    let failed = quote!({
        use #p::{NoText as _, ViaDisplay as _, ViaError as _};
        ::core::result::Result::Err((&#p::Returned(&#error)).failure__())
    });
    let count = types.len();
    let ways = types.iter().map(|ty| way(ty));
    let arrived = Ident::new("arrived", Span::mixed_site());
    let decoded = quote! {
        #p::arguments::<(#(#types,)*)>(#bytes, #count, |#arrived| {
            ::core::result::Result::Ok((#((#ways)(#arrived)?,)*))
        })
    };
    let outcome = quote! {
        ::core::result::Result<::std::vec::Vec<::core::primitive::u8>, #p::Failure>
    };
    let encode = |value_of: TokenStream| match &function.role {
        Role::Enter { class } => {
            let kept = quote_spanned!(class.span()=> #p::State::set::<#class>(&STATE__, #value_of));
            quote!({
                #kept;
                ::core::result::Result::Ok(::std::vec::Vec::new())
            })
        }
        _ => quote!({
            use #p::{CannotEncode as _, PutOther as _};
            let mut #bulk = ::core::option::Option::None;
            let #value_put = #p::Put::<#value>(#value_of).aside(&mut #bulk);
            #p::Encode(&#value_put).encode_result(#bulk)
        }),
    };
    let encoded_value = |fallible: bool, returned: TokenStream| match fallible {
        true => {
            let encoded = encode(quote!(#result));
            quote! {
                match #returned {
                    ::core::result::Result::Ok(#result) => #encoded,
                    ::core::result::Result::Err(#error) => #failed,
                }
            }
        }
        false => encode(returned),
    };
    if let Some(Making {
        waits: items_wait,
        item,
        fallible_items,
        fallible,
    }) = &signature.output.making
    {
        let [sink, items] = ["sink", "items"].map(|name| Ident::new(name, Span::mixed_site()));
        let items_of = match fallible {
            true => quote! {
                match #returned {
                    ::core::result::Result::Ok(#items) => #items,
                    ::core::result::Result::Err(#error) => return #failed,
                }
            },
            false => returned,
        };
        let encoded = encoded_value(*fallible_items, quote!(#result));
        let encode = quote!(|#result: #item| #encoded);
        return match (items_wait, asyncness) {
            (false, None) => quote!(#p::Invoke::Items(|#bytes, #sink| {
                let (#(#names,)*) = #decoded?;
                #p::send_items(#items_of, #sink, #encode)
            })),
            _ => {
                let send = match items_wait {
                    true => quote!(#p::send_stream(#items_of, #sink, #encode).await),
                    false => quote!(#p::send_items(#items_of, #sink, #encode)),
                };
                quote!(#p::Invoke::Stream(|#bytes, #sink| ::std::boxed::Box::pin(async move {
                    let (#(#names,)*) = #decoded?;
                    #send
                })))
            }
        };
    }
    let encoded = encoded_value(signature.output.error.is_some(), returned);
    match asyncness {
        Some(_) => quote!(#p::Invoke::Async(|#bytes| {
            let #arguments = #decoded;
            ::std::boxed::Box::pin(async move {
                let (#(#names,)*) = #arguments?;
                #encoded
            })
        })),
        None => quote!(#p::Invoke::Blocking(|#bytes| -> #outcome {
            let (#(#names,)*) = #decoded?;
            #encoded
        })),
    }
}

/// Runs a function of a file of Python. The compiler reads the file, and so knows when it changes.
fn python(function: &Function, path: Option<&str>) -> TokenStream {
    let p = private();
    let file = match &function.settings.file {
        Some((_, Checked::Text(file))) => file.value(),
        _ => String::new(),
    };
    let text = match path {
        Some(path) => quote!(::core::include_str!(#path)),
        None => quote!(""),
    };
    let name = function.item.signature.ident.unraw().to_string();
    let value = &function.signature.output.value;
    let is_stream = function.signature.output.making.is_some();
    quote!({
        use #p::CannotCross as _;
        static PYTHON__: #p::PythonSpec = #p::PythonSpec {
            file: #file,
            text: #text,
            function: #name,
            is_stream: #is_stream,
            encode_result: #p::Crossing::<#value>::encode_json,
        };
        #p::Invoke::Python(&PYTHON__)
    })
}

fn argument_names(count: usize) -> impl Iterator<Item = Ident> {
    (0..count).map(|index| format_ident!("argument_{index}", span = Span::mixed_site()))
}

/// Crosses between JSON and the encoding.
fn json(function: &Function) -> TokenStream {
    let p = private();
    let signature = &function.signature;
    let types: Vec<_> = signature.parameters.iter().map(|p| &p.owned).collect();
    let texts: Vec<_> = signature.parameters.iter().map(parameter_name).collect();
    let names: Vec<_> = argument_names(types.len()).collect();
    let value = match function.role {
        Role::Enter { .. } => &quote!(()),
        _ => &signature.output.value,
    };
    let read: Vec<_> = types
        .iter()
        .zip(&texts)
        .zip(&names)
        .map(|((ty, text), name)| quote!(#p::Crossing::<#ty>::from_json(#text, #name)?))
        .collect();
    let (encoded, way) = (encoded(function, &read), way(value));
    quote!({
        use #p::CannotCross as _;
        fn encode_arguments(
            values: ::std::vec::Vec<#p::serde_json::Value>,
        ) -> ::core::result::Result<::std::vec::Vec<::core::primitive::u8>, ::std::string::String> {
            let [#(#names),*] = #p::json_arguments(values, [#(#texts),*])?;
            #encoded
        }
        #p::JsonBridge {
            encode_arguments,
            decode_result: |bytes| #p::Crossing::<#value>::to_json(#p::result(bytes, #way)?),
        }
    })
}
