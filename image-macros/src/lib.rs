//! The macros of `image-runtime`.
