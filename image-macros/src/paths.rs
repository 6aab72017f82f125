//! The one place that spells the path of what expansions name.

use proc_macro2::TokenStream;
use quote::quote;

/// `::image_runtime::__private`: whatever the macros need is there, so a user crate depends on `image-runtime` alone.
pub(crate) fn private() -> TokenStream {
    quote!(::image_runtime::__private)
}
