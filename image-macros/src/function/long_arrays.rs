//! Arrays that serde does not know.

use quote::quote;
use syn::{Expr, ExprLit, Lit, Type, TypeParamBound};

use super::signature::{bare, written_types};
use super::stream::{item_of, type_arguments};
use crate::diag::{Errors, Fault};
use crate::item::Item;

/// serde knows arrays up to this length.
const LONGEST: u64 = 32;

/// Types of the standard library that travel as what is inside of them does. Of any other, its own `serde` decides.
const TRANSPARENT: [&str; 14] = [
    "Vec",
    "VecDeque",
    "LinkedList",
    "HashMap",
    "BTreeMap",
    "HashSet",
    "BTreeSet",
    "BinaryHeap",
    "Option",
    "Result",
    "Box",
    "Rc",
    "Arc",
    "Cow",
];

/// Reports each array in the head of a function that is too long to be handed over.
pub(super) fn check(item: &Item, errors: &mut Errors) {
    for ty in written_types(item) {
        look(ty, false, errors);
    }
}

fn look(ty: &Type, is_lent: bool, errors: &mut Errors) {
    match bare(ty) {
        Type::Array(array) => {
            let item = &array.elem;
            match length(&array.len).filter(|length| *length > LONGEST) {
                None => look(item, false, errors),
                Some(length) => {
                    let fault = Fault::new(format!(
                        "an array of {length} items cannot be handed over: serde knows those of up to {LONGEST}"
                    ));
                    let instead = match is_lent {
                        true => quote!([#item]),
                        false => quote!(Vec<#item>),
                    };
                    let instead = crate::function::expand::type_text(&instead);
                    errors.at(ty, fault.help(format!("write `{instead}`")));
                }
            }
        }
        Type::Reference(reference) => look(&reference.elem, true, errors),
        Type::Slice(slice) => look(&slice.elem, false, errors),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| look(ty, false, errors)),
        Type::Path(path) => {
            let last = path.path.segments.last();
            let last = last.filter(|last| TRANSPARENT.iter().any(|name| last.ident == name));
            last.into_iter()
                .flat_map(type_arguments)
                .for_each(|ty| look(ty, false, errors));
        }
        // Of a stream.
        Type::ImplTrait(stream) => {
            let bounds = stream.bounds.iter().filter_map(|bound| match bound {
                TypeParamBound::Trait(bound) => bound.path.segments.last(),
                _ => None,
            });
            bounds
                .filter_map(item_of)
                .for_each(|ty| look(ty, false, errors));
        }
        _ => {}
    }
}

/// The length, where it is written as a number.
fn length(written: &Expr) -> Option<u64> {
    match written {
        Expr::Lit(ExprLit {
            lit: Lit::Int(length),
            ..
        }) => length.base10_parse().ok(),
        _ => None,
    }
}
