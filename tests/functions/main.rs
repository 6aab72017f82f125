//! Annotated functions, called in real containers: what comes back, and what is told when nothing does.

mod arrays;
mod background;
mod building;
mod classes;
mod dockerfile;
mod entered;
mod failures;
mod files;
mod gpus;
mod images;
mod limits;
mod many;
mod marks;
mod mounted;
mod nested;
mod output;
mod pools;
mod python;
mod scripts;
mod sockets;
mod streams;
mod values;

use image_runtime::{Image, image};

/// An image without anything: the worker brings all it needs.
const NOTHING: Image = image!(scratch());

/// An image with the usual programs.
const DEBIAN: Image = image!(debian_slim());
