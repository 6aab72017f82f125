//! A function under an attribute: its head parsed, its body as raw tokens, so that a slip in the body is reported once, by the
//! compiler.

use proc_macro2::{Group, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Signature, Token, Visibility, token};

use crate::diag::{Errors, Fault, list};

/// A function as written.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// Nothing where `;` stands instead.
    pub(crate) body: Option<Group>,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let body = if input.peek(token::Brace) {
            Some(input.parse()?)
        } else {
            input.parse::<Token![;]>()?;
            None
        };
        Ok(Self {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self {
            attributes,
            visibility,
            signature,
            body,
        } = self;
        let end = body.is_none().then(|| quote!(;));
        tokens.extend(quote!(#(#attributes)* #visibility #signature #body #end));
    }
}

impl Item {
    /// The function under `attribute`; anything else is reported.
    pub(crate) fn read(attribute: &str, tokens: &TokenStream, errors: &mut Errors) -> Option<Self> {
        match syn::parse2(tokens.clone()) {
            Ok(item) => Some(item),
            Err(error) if looks_like_a_function(tokens) => {
                errors.syntax(error);
                None
            }
            Err(_) => {
                let first = tokens.clone().into_iter().find(|token| {
                    // Attributes and docs come first; the item itself is what is wrong.
                    matches!(token, proc_macro2::TokenTree::Ident(_))
                });
                let fault = Fault::new(format!("`{attribute}` goes on a function"));
                errors.at(first.map(TokenStream::from), fault);
                None
            }
        }
    }

    /// Reports what no function under `attribute` can have.
    pub(crate) fn check_plain(&self, attribute: &str, errors: &mut Errors) {
        let Signature {
            constness,
            unsafety,
            abi,
            generics,
            variadic,
            ..
        } = &self.signature;
        let cannot =
            |what: &str| Fault::new(format!("a function under `{attribute}` cannot {what}"));
        if let Some(token) = constness {
            errors.at(token, cannot("be `const`"));
        }
        if let Some(token) = unsafety {
            errors.at(token, cannot("be `unsafe`"));
        }
        if let Some(abi) = abi {
            errors.at(abi, cannot("be `extern`"));
        }
        if let Some(variadic) = variadic {
            errors.at(variadic, cannot("be variadic"));
        }
        if !generics.params.is_empty() {
            let lifetimes = generics.lifetimes().map(|lifetime| &lifetime.lifetime);
            let help = (generics.lifetimes().count() == generics.params.len())
                .then(|| format!("leave {} out", list(lifetimes)));
            errors.at(&generics.params, cannot("be generic").maybe_help(help));
        }
        if let Some(clause) = &generics.where_clause {
            errors.at(clause, cannot("have a `where` clause"));
        }
    }

    /// Reports parameters.
    pub(crate) fn check_no_parameters(&self, attribute: &str, errors: &mut Errors) {
        if !self.signature.inputs.is_empty() {
            let fault = Fault::new(format!(
                "a function under `{attribute}` takes no parameters"
            ));
            errors.at(&self.signature.inputs, fault);
        }
    }

    /// The attributes of that name.
    pub(crate) fn attributes_named(&self, name: &str) -> impl Iterator<Item = &Attribute> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.path().is_ident(name))
    }
}

fn looks_like_a_function(tokens: &TokenStream) -> bool {
    let mut words = tokens.clone().into_iter().filter_map(|token| match token {
        proc_macro2::TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    let qualifiers = [
        "pub", "async", "const", "unsafe", "extern", "safe", "default",
    ];
    words
        .find(|word| !qualifiers.contains(&word.as_str()))
        .as_deref()
        == Some("fn")
}
