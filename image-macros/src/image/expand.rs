//! Writes the code of an image. Nothing can fail here. Verbs and keywords keep the user's spans, so that an editor shows the
//! documented items of `image-runtime` where they are written.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned as _;

use super::ast;
use super::builder::{Builder, Python};
use super::conda;
use super::model::{Argument, Base, Call, Image, Project};
use super::rules;
use crate::advice::Advice;
use crate::diag::Errors;
use crate::paths::private;
use crate::python::requirements::Requirements;
use crate::tokens;

/// An image: its definition in a static, registered.
pub(crate) fn image(image: &Image) -> TokenStream {
    let p = private();
    let base = match &image.base {
        Base::Call(call) => {
            let made = self::call(call);
            quote!(#p::#made.base())
        }
        Base::Image(path) => {
            let reference = tokens::image_reference(path);
            quote!(#p::Base::Image(#reference))
        }
    };
    let steps = image.steps.iter().map(|step| {
        let made = call(step);
        quote!(#p::verb::#made.step())
    });
    let advice = image
        .calls()
        .flat_map(|call| &call.advice)
        .map(Advice::tokens);
    let files = image.calls().flat_map(|call| &call.files).map(|file| {
        let path = match Path::new(file).is_absolute() {
            true => quote!(#file),
            false => quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #file)),
        };
        quote!(
            const _: &[::core::primitive::u8] = ::core::include_bytes!(#path);
        )
    });
    let extends = match &image.base {
        Base::Image(path) if !image.steps.is_empty() => Some(quote_spanned!(path.span()=>
            const _: () = if let ::core::option::Option::Some(why) = #p::cannot_be_extended(&IMAGE_SPEC__.base) {
                ::core::panic!("{}", why)
            };
        )),
        _ => None,
    };
    let conda = image.steps.iter().find(|step| step.name == conda::STEP);
    let has_conda = conda.filter(|_| matches!(image.base, Base::Image(_))).map(|step| {
        quote_spanned!(step.name.span()=>
            const _: () = if let ::core::option::Option::Some(why) = #p::has_no_conda(&IMAGE_SPEC__.base) {
                ::core::panic!("{}", why)
            };
        )
    });
    let runs = rules::first_that_runs(image.steps.iter());
    let has_programs = runs.filter(|_| matches!(image.base, Base::Image(_))).map(|step| {
        quote_spanned!(step.name.span()=>
            const _: () = if let ::core::option::Option::Some(why) = #p::has_no_programs(&IMAGE_SPEC__.base) {
                ::core::panic!("{}", why)
            };
        )
    });
    let spec = spec(&base, quote!(&[#(#steps),*]));
    quote!({
        #(#advice)*
        #(#files)*
        #spec
        #extends
        #has_conda
        #has_programs
        #p::inventory::submit! { #p::RegisteredImage(#p::Image::from_spec(&IMAGE_SPEC__)) }
        #p::Image::from_spec(&IMAGE_SPEC__)
    })
}

/// What stands in for an image that is wrong: the errors, and a value, so that uses of the image add none.
pub(crate) fn fallback(errors: Errors, chain: &ast::Chain) -> TokenStream {
    let p = private();
    let errors = errors.into_tokens();
    let hints = hints(chain);
    let spec = spec(&quote!(#p::Base::Scratch), quote!(&[]));
    quote!({
        #errors
        #hints
        #spec
        #p::Image::from_spec(&IMAGE_SPEC__)
    })
}

/// A static of its own an image. Its name is one that the user's path cannot mean by accident.
fn spec(base: &TokenStream, steps: TokenStream) -> TokenStream {
    let p = private();
    let place = tokens::here();
    quote! {
        static IMAGE_SPEC__: #p::ImageSpec = #p::ImageSpec { base: #base, steps: #steps, place: #place };
    }
}

/// `apt_install(&["git"]).force_build(true)`
fn call(call: &Call) -> TokenStream {
    let name = &call.name;
    let positional = call.positional.iter().map(argument);
    let keywords = call.keywords.iter().map(|(keyword, value)| {
        let value = argument(value);
        quote!(.#keyword(#value))
    });
    quote!(#name(#(#positional),*) #(#keywords)*)
}

fn argument(argument: &Argument) -> TokenStream {
    match argument {
        Argument::Checked(checked) => checked.tokens(),
        Argument::Strings(texts) => quote!(&[#(#texts),*]),
        Argument::Builder(builder) => self::builder(builder),
        Argument::Python(version) => python(version),
        Argument::Dockerfile(dockerfile) => dockerfile.tokens(),
        Argument::Requirements(requirements) => self::requirements(requirements),
        Argument::Project(project) => self::project(project),
    }
}

fn requirements(read: &Requirements) -> TokenStream {
    let p = private();
    let Requirements {
        text,
        constraints,
        options,
        ..
    } = read;
    quote!(#p::Requirements { text: #text, constraints: #constraints, options: &[#(#options),*] })
}

fn project(project: &Project) -> TokenStream {
    let p = private();
    let pyproject = &project.pyproject;
    // A project without a lock is resolved while building.
    let lock = project.lock.as_deref().unwrap_or_default();
    quote!(#p::Project { pyproject: #pyproject, lock: #lock })
}

fn builder(builder: &Builder) -> TokenStream {
    let p = private();
    let Builder {
        name,
        suite,
        pip,
        uv,
        conda,
        ..
    } = builder;
    let python = python(&builder.default_python());
    let series = builder.series();
    quote!(#p::BuilderVersion {
        name: #name, suite: #suite, pip: #pip, uv: #uv, conda: #conda, python: #python, series: &[#(#series),*]
    })
}

fn python(version: &Python) -> TokenStream {
    let p = private();
    let Python {
        series,
        exact,
        pinned,
    } = version;
    quote!(#p::PythonVersion { series: #series, exact: #exact, pinned: #pinned })
}

/// What a wrong image says to an editor: the names as written, half typed ones too, so that hover and completion work on
/// them. The compiler never sees it.
fn hints(chain: &ast::Chain) -> TokenStream {
    let p = private();
    let base = match &chain.base {
        Some(ast::Base::Call(call)) => Some((quote!(#p), call)),
        _ => None,
    };
    let steps = chain.steps.iter().map(|step| (quote!(#p::verb), step));
    // A word of the language is no name, and an error of its own.
    let is_name = |name: &Ident| syn::parse2::<Ident>(name.to_token_stream()).is_ok();
    let calls = base.into_iter().chain(steps);
    let calls = calls.filter(|(_, call)| is_name(&call.name));
    let hints = calls.map(|(module, call)| {
        let name = &call.name;
        let arguments = call.arguments.as_ref();
        let named = arguments.into_iter().flat_map(|a| &a.keywords);
        let unfinished = arguments.into_iter().flat_map(|a| &a.positional);
        let keywords = named
            .filter(|(keyword, _)| is_name(keyword))
            .map(|(keyword, _)| quote!(#keyword))
            .chain(unfinished.filter_map(|value| match value {
                // What is half typed is one word.
                crate::syntax::Value::Other(syn::Expr::Path(path)) => {
                    path.path.get_ident().map(|name| quote!(#name))
                }
                _ => None,
            }));
        quote! {
            let _ = #module::#name;
            #(let _ = #module::#name().#keywords;)*
        }
    });
    quote! {
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            { #(#hints)* }
        };
    }
}
