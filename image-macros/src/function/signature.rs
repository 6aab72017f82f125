//! What the head of an annotated function says about the values that cross: which types travel, and how they are handed over.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    FnArg, GenericArgument, Ident, Pat, PatType, PathArguments, ReturnType, Type, TypeReference,
};

use super::long_arrays;
use super::stream::{self, Making};
use crate::class::ENTER;
use crate::diag::{Errors, Fault};
use crate::item::Item;

/// serde knows tuples up to this length.
const MOST_PARAMETERS: usize = 16;

/// The values that cross.
pub(crate) struct Signature {
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
}

/// A parameter.
pub(crate) struct Parameter {
    pub(crate) name: Ident,
    /// As written.
    pub(crate) ty: Type,
    /// What travels: `String` for `&str`, `Vec<T>` for `&[T]`, `PathBuf` for `&Path`, `T` for `&T` and `T`.
    pub(crate) owned: TokenStream,
    /// What it refers to, where it is a reference.
    pub(crate) loan: Option<Loan>,
}

/// What a reference refers to, and so what an input of many calls can be.
pub(crate) enum Loan {
    /// `str`, `[T]` or `Path`: whatever is `AsRef` of it.
    AsRef(TokenStream),
    /// Any other type: whatever is `Borrow` of it.
    Borrow(TokenStream),
}

/// A result.
pub(crate) struct Output {
    /// As written; `()` where nothing is.
    pub(crate) ty: TokenStream,
    /// What travels: of a stream, each of its items.
    pub(crate) value: TokenStream,
    /// The error type, where the function returns a `Result`.
    pub(crate) error: Option<TokenStream>,
    /// How the values are made, where there are many.
    pub(crate) making: Option<Making>,
}

/// Checks the head of a function; all that is wrong is reported.
pub(crate) fn check(attribute: &str, item: &Item, errors: &mut Errors) -> Option<Signature> {
    let mut found = Errors::default();
    item.check_plain(attribute, &mut found);
    let inputs = &item.signature.inputs;
    if let Some(excess) = inputs.iter().nth(MOST_PARAMETERS) {
        let fault = Fault::new(format!(
            "a function under `{attribute}` takes at most {MOST_PARAMETERS} parameters"
        ));
        found.at(excess, fault.help("put some of them into a struct"));
    }
    let parameters: Vec<_> = inputs
        .iter()
        .filter_map(|input| parameter(attribute, input, &mut found))
        .collect();
    let output = output(attribute, &item.signature.output, &mut found);
    for (ty, instead) in unsized_types(item) {
        let fault = Fault::new("a value whose size is not known cannot be handed over");
        found.at(ty, fault.help(instead));
    }
    long_arrays::check(item, &mut found);
    let right = found.is_empty();
    errors.append(found);
    right.then_some(Signature { parameters, output })
}

/// The types of parameters and of the result that no value can be handed over as, each with what to write instead.
pub(crate) fn unsized_types(item: &Item) -> impl Iterator<Item = (&Type, &'static str)> {
    written_types(item).filter_map(|ty| match bare(ty) {
        Type::Slice(_) => Some((ty, "write `Vec<…>`, or `&[…]` for an argument")),
        Type::TraitObject(_) => Some((ty, "name a type")),
        Type::Path(path) if path.path.is_ident("str") => {
            Some((ty, "write `String`, or `&str` for an argument"))
        }
        _ => None,
    })
}

/// The types of parameters and of the result.
pub(super) fn written_types(item: &Item) -> impl Iterator<Item = &Type> {
    let output = match &item.signature.output {
        ReturnType::Type(_, ty) => Some(&**ty),
        ReturnType::Default => None,
    };
    let inputs = item
        .signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        });
    inputs.chain(output)
}

fn parameter(attribute: &str, input: &FnArg, errors: &mut Errors) -> Option<Parameter> {
    let PatType { attrs, pat, ty, .. } = match input {
        FnArg::Receiver(receiver) => {
            let fault = Fault::new(format!("a function under `{attribute}` cannot take `self`"));
            let help = match attribute {
                ENTER => "it makes the state: return `Self`",
                _ => {
                    "make it a free function, or put `#[app::cls]` on the `impl` and `#[method]` on it"
                }
            };
            errors.at(receiver, fault.help(help));
            return None;
        }
        FnArg::Typed(typed) => typed,
    };
    for attribute in attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let fault = Fault::new("a parameter cannot be conditional here");
            errors.at(attribute, fault.help("put the `#[cfg]` on the function"));
        }
    }
    let name = match &**pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(&name.ident),
        pattern => {
            let fault = Fault::new("a parameter must be a plain name");
            let help = match pattern {
                Pat::Wild(_) => "give it a name, such as `_unused`",
                _ => "take the pattern apart in the body",
            };
            errors.at(pattern, fault.help(help));
            None
        }
    };
    let (owned, loan) = travelling(ty, errors)?;
    Some(Parameter {
        name: name?.clone(),
        ty: (**ty).clone(),
        owned,
        loan,
    })
}

/// The type that travels for a parameter's type, and what that refers to.
fn travelling(ty: &Type, errors: &mut Errors) -> Option<(TokenStream, Option<Loan>)> {
    let ty = bare(ty);
    let Type::Reference(reference) = ty else {
        no_hidden_types(ty, errors)?;
        return Some((quote!(#ty), None));
    };
    let TypeReference {
        lifetime,
        mutability,
        elem,
        ..
    } = reference;
    if let Some(mutability) = mutability {
        let fault =
            Fault::new("an argument cannot be a `&mut`: what is changed stays in the container");
        errors.at(mutability, fault.help("return the changed value"));
        return None;
    }
    if let Some(lifetime) = lifetime
        && lifetime.ident == "static"
    {
        let fault = Fault::new("an argument cannot be `'static`: it lives as long as the call");
        errors.at(lifetime, fault.help("leave out `'static`"));
        return None;
    }
    let inner = bare(elem);
    no_hidden_types(inner, errors)?;
    let span = inner.span();
    let as_ref = Loan::AsRef(quote!(#inner));
    let (owned, loan) = match inner {
        Type::Slice(slice) => {
            let item = &slice.elem;
            (quote_spanned!(span=> ::std::vec::Vec<#item>), as_ref)
        }
        Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "str") => {
            (quote_spanned!(span=> ::std::string::String), as_ref)
        }
        Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "Path") => {
            (quote_spanned!(span=> ::std::path::PathBuf), as_ref)
        }
        _ => (quote!(#inner), Loan::Borrow(quote!(#inner))),
    };
    Some((owned, Some(loan)))
}

/// Reports what cannot travel whatever it is: references further inside, `impl` and `dyn`.
fn no_hidden_types(ty: &Type, errors: &mut Errors) -> Option<()> {
    if let Type::TraitObject(_) = ty {
        // It has no size: that is said of all types at once.
        return None;
    }
    let found = find(ty.to_token_stream(), &|tokens| match tokens {
        [TokenTree::Ident(word), ..] if word == "impl" || word == "dyn" => Some(
            Fault::new(format!(
                "an argument cannot be `{word}`: its type must be known"
            ))
            .help("name a type"),
        ),
        [TokenTree::Punct(and), ..] if and.as_char() == '&' => Some(
            Fault::new("a reference cannot stand inside another type here")
                .help("take an owned type, such as `String` for `&str`"),
        ),
        _ => None,
    });
    if let Some((token, fault)) = found {
        errors.at(token, fault);
        return None;
    }
    Some(())
}

/// The result. The rule for what travels looks at the written type only: of a type whose last name is `Result`, the first
/// generic argument does; without generic arguments (an alias) the `Ok` type of what it stands for; of any other, all of it.
fn output(attribute: &str, written: &ReturnType, errors: &mut Errors) -> Output {
    let ReturnType::Type(_, ty) = written else {
        return Output {
            ty: quote!(()),
            value: quote!(()),
            error: None,
            making: None,
        };
    };
    let ty = bare(ty);
    if let Some(output) = stream::output(attribute, ty, errors) {
        return output;
    }
    check_result(attribute, ty, errors);
    let tokens = quote!(#ty);
    let result = match ty {
        Type::Path(path) => path.path.segments.last().filter(|s| s.ident == "Result"),
        _ => None,
    };
    let Some(segment) = result else {
        check_owned(&tokens, errors);
        return Output {
            ty: tokens.clone(),
            value: tokens,
            error: None,
            making: None,
        };
    };
    let p = crate::paths::private();
    let generics = match &segment.arguments {
        PathArguments::AngleBracketed(generics) => Some(&generics.args),
        _ => None,
    };
    let mut arguments = generics
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(quote!(#ty)),
            _ => None,
        });
    let projected = |name: TokenStream| {
        let span = ty.span();
        quote_spanned!(span=> <#tokens as #p::ResultType>::#name)
    };
    let value = match arguments.next() {
        Some(value) => {
            check_owned(&value, errors);
            value
        }
        None => projected(quote!(Ok)),
    };
    let error = arguments.next().unwrap_or_else(|| projected(quote!(Err)));
    Output {
        value,
        error: Some(error),
        ty: tokens,
        making: None,
    }
}

/// Reports a `&'static` in what travels; any other reference is reported by [`check_result`].
pub(super) fn check_owned(value: &TokenStream, errors: &mut Errors) {
    let found = find(value.clone(), &|tokens| match tokens {
        [TokenTree::Punct(and), rest @ ..] if and.as_char() == '&' && is_static(rest) => Some(
            Fault::new("a result cannot be a reference: it is received by another process")
                .help("return an owned type, such as `String` for `&str`"),
        ),
        _ => None,
    });
    if let Some((token, fault)) = found {
        errors.at(token, fault);
    }
}

fn is_static(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(tick), TokenTree::Ident(name), ..] => {
            tick.as_char() == '\'' && name == "static"
        }
        _ => false,
    }
}

/// A result outlives the call, so it cannot borrow; and its type must be known.
pub(super) fn check_result(attribute: &str, ty: &Type, errors: &mut Errors) {
    if let Type::Never(never) = ty {
        let fault = Fault::new(format!("a function under `{attribute}` must return"));
        errors.at(never, fault);
    }
    let found = find(ty.to_token_stream(), &|tokens| {
        match tokens {
        [TokenTree::Ident(word), ..] if word == "impl" => Some(
            Fault::new(format!(
                "a result cannot be `{word}`: its type must be known"
            ))
            .help("name a type; for many values, return `impl Iterator<Item = T>` or `impl Stream<Item = T>`"),
        ),
        [TokenTree::Punct(and), rest @ ..] if and.as_char() == '&' && !is_static(rest) => Some(
            Fault::new("a result cannot borrow from the arguments")
                .help("return an owned type, such as `String` for `&str`"),
        ),
        [TokenTree::Punct(tick), ..] if tick.as_char() == '\'' && !is_static(tokens) => Some(
            Fault::new("a result cannot borrow from the arguments").help("return an owned type"),
        ),
        _ => None,
    }
    });
    if let Some((token, fault)) = found {
        errors.at(token, fault);
    }
}

/// The first token, at any depth, where `look` at it and what follows finds a fault.
fn find(
    tokens: TokenStream,
    look: &impl Fn(&[TokenTree]) -> Option<Fault>,
) -> Option<(TokenTree, Fault)> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    (0..tokens.len()).find_map(|index| {
        if let Some(fault) = look(&tokens[index..]) {
            return Some((tokens[index].clone(), fault));
        }
        match &tokens[index] {
            TokenTree::Group(group) => find(group.stream(), look),
            _ => None,
        }
    })
}

/// Without invisible groups and parentheses around it.
pub(super) fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            ty => return ty,
        };
    }
}
