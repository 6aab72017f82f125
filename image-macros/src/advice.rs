//! Advice: what is right, and still not what one wants, as a warning at a token.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, LitStr};

use crate::text::local;

/// A warning.
pub(crate) struct Advice {
    /// What it is about; the span is where the warning points.
    pub(crate) name: Ident,
    /// What it says.
    pub(crate) note: String,
}

impl Advice {
    /// The use of a deprecated constant, at the user's token. `#[allow(deprecated)]` silences it.
    pub(crate) fn tokens(&self) -> TokenStream {
        let Self { name, note } = self;
        let declared = format_ident!("{name}", span = Span::call_site());
        // A block of its own: one item may get the same advice several times.
        quote! {
            {
                #[deprecated(note = #note)]
                #[allow(non_upper_case_globals)]
                const #declared: () = ();
                #name
            };
        }
    }
}

/// That a path leads to something else, or to nothing, on another machine; `so` is what follows from it.
pub(crate) fn only_here(path: &LitStr, so: &str) -> Option<Advice> {
    let text = path.value();
    let why = local::only_here(&text)?;
    Some(Advice {
        name: format_ident!("path_of_this_machine", span = path.span()),
        note: format!(
            "`{text}` {why}, so {so}; put it into the repository, and write its path from the folder of the crate's Cargo.toml"
        ),
    })
}
