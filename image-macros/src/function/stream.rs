//! Results that are many values: `impl Iterator<Item = T>` and `impl Stream<Item = T>`, alone or in a `Result`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    AssocType, GenericArgument, PathArguments, PathSegment, Type, TypeImplTrait, TypeParamBound,
};

use super::signature::{Output, bare, check_owned, check_result};
use crate::diag::{Errors, Fault};

/// How a function makes its values.
pub(crate) struct Making {
    /// Whether it waits for them: they are a stream and no iterator.
    pub(crate) waits: bool,
    /// The type of an item, as written.
    pub(crate) item: TokenStream,
    /// Whether each item is a `Result`.
    pub(crate) fallible_items: bool,
    /// Whether the function returns its items in a `Result`.
    pub(crate) fallible: bool,
}

/// The output of a function that makes many values; nothing where it makes one.
pub(super) fn output(attribute: &str, ty: &Type, errors: &mut Errors) -> Option<Output> {
    let (made, error) = match ty {
        Type::ImplTrait(made) => (made, None),
        _ => {
            let result = last_segment(ty).filter(|segment| segment.ident == "Result")?;
            let mut arguments = type_arguments(result);
            match bare(arguments.next()?) {
                Type::ImplTrait(made) => (made, Some(arguments.next().map(|ty| quote!(#ty)))),
                _ => return None,
            }
        }
    };
    let (segment, waits) = made.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let segment = bound.path.segments.last()?;
            match segment.ident.to_string().as_str() {
                "Iterator" => Some((segment, false)),
                "Stream" => Some((segment, true)),
                _ => None,
            }
        }
        _ => None,
    })?;
    let Some(item) = item_of(segment) else {
        let name = &segment.ident;
        let fault = Fault::new(format!("what `{name}` gives must be said"));
        errors.at(
            segment,
            fault.help(format!("write `impl {name}<Item = T>`")),
        );
        return Some(unknown(made));
    };
    let item = bare(item);
    check_result(attribute, item, errors);
    let result = last_segment(item).filter(|segment| segment.ident == "Result");
    let mut arguments = result.into_iter().flat_map(type_arguments);
    let p = crate::paths::private();
    let (value, item_error) = match (&result, arguments.next()) {
        (None, _) => (quote!(#item), None),
        (Some(_), Some(value)) => (quote!(#value), arguments.next()),
        (Some(_), None) => (quote!(<#item as #p::ResultType>::Ok), None),
    };
    check_owned(&value, errors);
    let shown = error.clone().flatten();
    Some(Output {
        ty: quote!(#ty),
        value,
        error: shown.or(item_error.map(ToTokens::to_token_stream)),
        making: Some(Making {
            waits,
            item: quote!(#item),
            fallible_items: result.is_some(),
            fallible: error.is_some(),
        }),
    })
}

/// Stands for an output that has been reported.
fn unknown(made: &TypeImplTrait) -> Output {
    Output {
        ty: quote!(#made),
        value: quote!(()),
        error: None,
        making: None,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// The types in the brackets behind a name.
pub(super) fn type_arguments(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(generics) => Some(&generics.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

/// What an iterator or a stream is of.
pub(super) fn item_of(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(generics) = &segment.arguments else {
        return None;
    };
    generics.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. }) if ident == "Item" => Some(ty),
        _ => None,
    })
}
