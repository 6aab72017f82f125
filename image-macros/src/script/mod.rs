//! `#[app::python]`: a function without a body, whose body is that of a function in a file of Python.

mod parameters;
mod source;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;

use self::source::{Found, Source};
use crate::advice;
use crate::diag::{Errors, Fault, list, nearest};
use crate::function::args::{self, Settings};
use crate::function::model::{Function, Role};
use crate::function::{check_name, expand, no_retries, signature};
use crate::item::Item;
use crate::keyword::Checked;
use crate::text::local;

/// What the attribute is called in messages.
const ATTRIBUTE: &str = "#[app::python]";

/// Expands `#[app::python(…)]`.
pub(crate) fn python(arguments: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let settings = args::read(ATTRIBUTE, &args::python(), arguments, &mut errors);
    let keywords_are_right = errors.is_empty();
    let Some(item) = Item::read(ATTRIBUTE, &tokens, &mut errors) else {
        return errors.into_tokens();
    };
    if let Some(body) = &item.body {
        let fault = Fault::new(format!(
            "a function under `{ATTRIBUTE}` has no body: it is in the file"
        ));
        errors.at_span(
            body.span_open(),
            fault.help("write `;` in place of the body"),
        );
    }
    if settings.file.is_none() && keywords_are_right {
        let fault = Fault::new(format!("`{ATTRIBUTE}` must name a file"));
        errors.at(
            &item.signature.ident,
            fault.help("add `file = \"train.py\"`"),
        );
    }
    let signature = signature::check(ATTRIBUTE, &item, &mut errors);
    let called =
        |name: &_| format!("write a function of another name in the file, which calls `{name}`");
    let signature = signature.filter(|_| check_name(ATTRIBUTE, &item, called, &mut errors));
    let code = signature.map(|signature| {
        if signature.output.making.is_some() {
            no_retries(&settings, &mut errors);
        }
        let path = file(&item, &signature, &settings, &mut errors);
        let mut function = Function::new(item, signature, settings);
        let file = match &function.settings.file {
            Some((_, Checked::Text(file))) => Some(file),
            _ => None,
        };
        let so = "the function is another one elsewhere, or does not compile";
        function.role = Role::Python {
            advice: file.and_then(|file| advice::only_here(file, so)),
            path: path.filter(|_| errors.is_empty()),
        };
        function
    });
    // Where something is wrong, the verbs are still there: calls of them add no errors.
    let code = code.as_ref().map(expand::function);
    let errors = errors.into_tokens();
    quote!(#errors #code)
}

/// The path of the file, which has the function.
fn file(
    item: &Item,
    signature: &signature::Signature,
    settings: &Settings,
    errors: &mut Errors,
) -> Option<String> {
    let Some((_, Checked::Text(file))) = &settings.file else {
        return None;
    };
    let Ok(path) = local::resolve(&file.value(), "file") else {
        return None;
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            errors.at(
                file,
                Fault::new(format!("`{}` cannot be read: {error}", file.value())),
            );
            return None;
        }
    };
    let name = item.signature.ident.unraw().to_string();
    let file = file.value();
    let source = Source::read(&text);
    match source.find(&name) {
        Some(Found::Function(found)) => {
            parameters::check(&file, &name, &found, signature, item, errors);
        }
        found => {
            let fault = Fault::new(format!(
                "`{file}` does not define a function `{name}` at its top level"
            ));
            let help = match found {
                Some(Found::Class(line)) => {
                    format!("line {line} makes a class of it: write a function that calls it")
                }
                Some(Found::Inside(line)) => format!(
                    "line {line} defines it inside of something else: move it out, without indentation"
                ),
                Some(Found::Value(line)) => {
                    format!("line {line} makes it without `def`: write a function that calls it")
                }
                _ => elsewhere(&name, &source.functions()),
            };
            errors.at(&item.signature.ident, fault.help(help));
        }
    }
    Some(path.to_string_lossy().into_owned())
}

/// What to do where nothing has the name.
fn elsewhere(name: &str, known: &[&str]) -> String {
    const SHOWN: usize = 6;
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => format!("write `def {name}(…):` there"),
        None if known.len() > SHOWN => {
            let more = known.len() - SHOWN;
            format!("it defines {}, and {more} more", list(&known[..SHOWN]))
        }
        None => format!("it defines {}", list(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_lies_elsewhere_is_advised_against_as_the_function_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("there.py");
        std::fs::write(&path, "def there():\n    pass\n").unwrap();
        let path = path.to_str().unwrap();
        let code = python(
            quote!(file = #path),
            quote!(
                #[doc = "There."]
                #[allow(deprecated)]
                fn there();
            ),
        );
        let code = code.to_string();
        let note = format!(
            "`{path}` is a path of this machine, so the function is another one elsewhere, or does not compile; put it"
        );
        assert!(code.contains(&note), "{code}");
        let silenced = "# [allow (deprecated)] const _ : () =";
        assert!(code.contains(silenced), "{code}");
        let here = quote!(file = "src/script/example.py");
        let code = python(
            here,
            quote!(
                fn trained();
            ),
        )
        .to_string();
        assert!(!code.contains("path_of_this_machine"), "{code}");
    }
}
