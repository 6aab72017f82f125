//! Files on their way into the directory of a layer, whatever names they bear: nothing outside that directory is ever
//! made, changed or read. And back: a layer is packed as others take it.

mod attributes;
mod below;
mod decompress;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod header;
mod make;
mod members;
mod pack;
mod paths;
mod pax;
mod remove;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod whiteouts;
mod writer;

pub(in crate::engine::embedded) use decompress::decompress;
pub(in crate::engine::embedded) use pack::pack;
pub(in crate::engine::embedded) use unpack::unpack;
pub(in crate::engine::embedded) use whiteouts::hides_all_below;
pub(in crate::engine::embedded) use writer::Writer;
