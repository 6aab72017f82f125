//! An annotated function that is right.

use syn::Type;
use syn::ext::IdentExt as _;

use super::args::Settings;
use super::signature::Signature;
use crate::advice::Advice;
use crate::item::Item;
use crate::keyword::Checked;

/// What `#[app::function(…)]` means.
pub(crate) struct Function {
    pub(crate) item: Item,
    pub(crate) signature: Signature,
    /// What it is called by.
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) role: Role,
}

/// What a function is to what is called.
pub(crate) enum Role {
    /// A function of its own.
    Free,
    /// A method of a class; whether it takes `&mut self`.
    Method { class: Type, is_mut: bool },
    /// A function whose body is Python: where its file is, unless something is wrong, and what is said of it.
    Python {
        path: Option<String>,
        advice: Option<Advice>,
    },
    /// What makes the state of a class.
    Enter { class: Type },
}

impl Function {
    pub(crate) fn new(item: Item, signature: Signature, settings: Settings) -> Self {
        let name = match &settings.name {
            Some((_, Checked::Text(name))) => name.value(),
            _ => item.signature.ident.unraw().to_string(),
        };
        Self {
            item,
            signature,
            name,
            settings,
            role: Role::Free,
        }
    }
}
