//! `#[app::main]`: the command line and the worker in front of the user's `main`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ReturnType, Signature, Type};

use crate::diag::{Errors, Fault};
use crate::item::Item;
use crate::keyword::{self, Checked, Keyword, Kind};
use crate::paths::private;
use crate::syntax::Arguments;

const ATTRIBUTE: &str = "#[app::main]";

const KEYWORDS: &[Keyword] = &[Keyword {
    name: "cli",
    kind: Kind::Flag,
}];

/// Expands `#[app::main]`.
pub(crate) fn main(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let cli = read_cli(arguments, &mut errors);
    let Some(item) = Item::read(ATTRIBUTE, &tokens, &mut errors) else {
        let errors = errors.into_tokens();
        return quote!(#errors #tokens);
    };
    let mut faults = Errors::default();
    check(&item, &mut faults);
    let code = match faults.is_empty() {
        true => expand(item, cli),
        // A program without a `main` that can be started would be a second error.
        false => quote!(
            fn main() {}
        ),
    };
    errors.append(faults);
    let errors = errors.into_tokens();
    quote!(#errors #code)
}

/// Whether the program's arguments are ours to read.
fn read_cli(arguments: TokenStream, errors: &mut Errors) -> bool {
    let arguments = Arguments::parse(arguments, proc_macro2::Span::call_site(), errors);
    for value in &arguments.positional {
        let fault = Fault::new(format!("`{ATTRIBUTE}` takes keywords only"));
        errors.at(value, fault.help("write `cli = false`"));
    }
    let subject = format!("`{ATTRIBUTE}`");
    let read = keyword::read_all(&subject, KEYWORDS, &arguments.keywords, errors);
    !matches!(read.first(), Some((_, Checked::Flag(false))))
}

fn check(item: &Item, errors: &mut Errors) {
    item.check_plain(ATTRIBUTE, errors);
    item.check_no_parameters(ATTRIBUTE, errors);
    super::check_no_other(item, ATTRIBUTE, "main", errors);
    let name = &item.signature.ident;
    if name != "main" {
        errors.at(
            name,
            Fault::new(format!("`{ATTRIBUTE}` goes on `main`, not on `{name}`")),
        );
    }
    let Signature {
        asyncness, output, ..
    } = &item.signature;
    if item.body.is_none() && (asyncness.is_some() || !matches!(output, ReturnType::Default)) {
        let fault = Fault::new("a `main` without a body only deploys the functions");
        let help = "write `fn main();`, or give it a body that calls them";
        errors.at(&item.signature, fault.help(help));
    }
}

fn expand(mut item: Item, cli: bool) -> TokenStream {
    let p = private();
    let outer = super::split_attributes(&mut item);
    let visibility = std::mem::replace(&mut item.visibility, syn::Visibility::Inherited);
    let settings = quote! {
        #p::MainSettings {
            package: ::core::env!("CARGO_PKG_NAME"),
            program: ::core::env!("CARGO_CRATE_NAME"),
            folder: ::core::env!("CARGO_MANIFEST_DIR"),
            cli: #cli,
        }
    };
    if item.body.is_none() {
        return quote! {
            #(#outer)*
            #visibility fn main() -> ::std::process::ExitCode {
                #p::run_main_without_body(#settings)
            }
        };
    }
    let body = match item.signature.asyncness {
        Some(_) => quote!(|| #p::block_on(main())),
        None => quote!(main),
    };
    // Written out, a type that no program can end with is one error at it; `impl Termination` cannot be written out.
    let result = match &item.signature.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::ImplTrait(_)) => Some(quote!(::<#ty>)),
        _ => None,
    };
    quote! {
        #(#outer)*
        #visibility fn main() -> ::std::process::ExitCode {
            #item
            #p::run_main #result (#settings, #body)
        }
    }
}
