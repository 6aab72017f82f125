//! `#[app::main]` and `#[app::test]`: where a program and a test start. In a worker the process serves calls instead of running
//! the body.

mod main;
mod test;

pub(crate) use main::main;
pub(crate) use test::test;

use syn::Attribute;

use crate::diag::{Errors, Fault};
use crate::item::Item;

/// Attributes that belong to what the compiler starts; all others stay on the user's function.
fn is_outer(attribute: &Attribute) -> bool {
    const OUTER: &[&str] = &[
        "allow",
        "cfg",
        "cfg_attr",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "ignore",
        "should_panic",
        "warn",
    ];
    OUTER.iter().any(|name| attribute.path().is_ident(name))
}

/// Splits attributes into those of the outer function and those of the user's.
fn split_attributes(item: &mut Item) -> Vec<Attribute> {
    let (outer, inner) = item.attributes.drain(..).partition(is_outer);
    item.attributes = inner;
    outer
}

/// Reports another attribute that starts the function, such as `#[tokio::main]`.
fn check_no_other(item: &Item, own: &str, last_name: &str, errors: &mut Errors) {
    for attribute in &item.attributes {
        let last = attribute.path().segments.last();
        if last.is_some_and(|segment| segment.ident == last_name) {
            let other = crate::syntax::path_text(attribute.path());
            let fault = Fault::new(format!("`{own}` does the work of `#[{other}]`"));
            errors.at(attribute, fault.help(format!("remove `#[{other}]`")));
        }
    }
}
