//! An annotated function that is right.

use syn::ext::IdentExt as _;

use super::args::Settings;
use super::signature::Signature;
use crate::item::Item;
use crate::keyword::Checked;

/// What `#[app::function(…)]` means.
pub(crate) struct Function {
    pub(crate) item: Item,
    pub(crate) signature: Signature,
    /// What it is called by.
    pub(crate) name: String,
    pub(crate) settings: Settings,
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
        }
    }
}
