//! Files on their way into the directory of a layer, whatever names they bear: nothing outside that directory is ever
//! made, changed or read.

mod attributes;
mod decompress;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod members;
mod pax;
mod remove;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod writer;

pub(in crate::engine::embedded) use decompress::decompress;
pub(in crate::engine::embedded) use unpack::{Whiteouts, hides_all_below, unpack};
pub(in crate::engine::embedded) use writer::Writer;
