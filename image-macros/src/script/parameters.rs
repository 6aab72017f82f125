//! The parameters of a function here and of the one in Python. Arguments are given by their places.

use syn::ext::IdentExt as _;

use super::source::{Definition, Parameter, Parameters};
use crate::diag::{Errors, Fault, list};
use crate::function::signature::Signature;
use crate::item::Item;

/// Compares them.
pub(super) fn check(
    file: &str,
    name: &str,
    found: &Definition,
    signature: &Signature,
    item: &Item,
    errors: &mut Errors,
) {
    let Some(there) = &found.parameters else {
        return;
    };
    let place = format!("`{file}:{}`", found.line);
    let here: Vec<_> = signature.parameters.iter().map(|p| &p.name).collect();
    let names: Vec<_> = here.iter().map(|name| name.unraw().to_string()).collect();
    for (index, name) in names.iter().enumerate() {
        let fault = match there.positional.get(index) {
            Some(other) if other.name == *name => continue,
            None if there.takes_more => continue,
            Some(other) => match there.positional.iter().any(|p| p.name == *name) {
                // That one stands elsewhere explains what is wrong behind it.
                true => return errors.at(here[index], moved(&place, there, &names, &other.name)),
                false => renamed(&place, name, &other.name),
            },
            None => excess(&place, there, name),
        };
        errors.at(here[index], fault);
    }
    let missing = there.positional.iter().skip(names.len());
    let missing: Vec<_> = missing
        .filter(|p| !p.has_default)
        .map(|p| &p.name)
        .collect();
    let by_name = there.by_name.iter().filter(|p| !p.has_default);
    let by_name: Vec<_> = by_name.map(|p| &p.name).collect();
    if missing.is_empty() && by_name.is_empty() {
        return;
    }
    let all = missing.iter().chain(&by_name);
    let fault = Fault::new(format!("`{name}` in {place} needs {} too", list(all)));
    errors.at(
        &item.signature.ident,
        fault.help(match by_name.is_empty() {
            true => "add it here, or give it a default there".to_owned(),
            false => by_place_only(&by_name),
        }),
    );
}

fn by_place_only(names: &[&String]) -> String {
    format!(
        "arguments are given by their places: let {} stand before the `*` there, or have a default",
        list(names)
    )
}

fn moved(place: &str, there: &Parameters, here: &[String], other: &String) -> Fault {
    let fault = match here.contains(other) {
        true => Fault::new(format!("the parameters stand in another order in {place}")),
        false => Fault::new(format!("`{other}` stands before this parameter in {place}")),
    };
    fault.help(format!("it takes {}", names(&there.positional)))
}

fn renamed(place: &str, name: &str, other: &str) -> Fault {
    let fault = Fault::new(format!(
        "this parameter is `{name}` here and `{other}` in {place}"
    ));
    fault.help(format!("call both `{other}`"))
}

fn excess(place: &str, there: &Parameters, name: &String) -> Fault {
    if there.by_name.iter().any(|p| p.name == *name) {
        return Fault::new(format!(
            "the function in {place} takes `{name}` by its name only"
        ))
        .help(by_place_only(&[name]));
    }
    let fault = Fault::new(format!("the function in {place} has no parameter `{name}`"));
    fault.help(match there.positional.is_empty() {
        true => "it takes none".to_owned(),
        false => format!("it takes {}", names(&there.positional)),
    })
}

fn names(parameters: &[Parameter]) -> String {
    list(parameters.iter().map(|p| &p.name))
}
