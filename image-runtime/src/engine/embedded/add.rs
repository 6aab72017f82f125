//! Makes layers of files: written into a directory, with an eye on the layers below it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::files::Writer;
use super::form::Form;
use super::layers::Layers;
use crate::engine::error::failed;
use crate::engine::{EngineError, Entry, FileSink, FileSource, NewLayer};
use crate::store::is_full;

/// Set when nobody waits for the layer any more.
pub(super) type GivenUp = Arc<AtomicBool>;

/// What making a layer of files needs.
pub(super) struct Addition {
    pub(super) layers: Layers,
    pub(super) new: NewLayer,
    pub(super) files: Box<dyn FileSource>,
    pub(super) given_up: GivenUp,
}

impl Addition {
    /// Writes the files and publishes the layer. Blocks.
    pub(super) fn make(self) -> Result<(), EngineError> {
        let Self {
            layers,
            new,
            files,
            given_up,
        } = self;
        let doing = format!("putting files into `{}`", new.title);
        let unwritten = failed(doing.as_str());
        let written = (|| {
            let Some(parent) = new.parent else {
                let scratch = layers.empty_draft()?;
                let written = write(
                    &scratch.upper(),
                    Vec::new(),
                    layers.form(),
                    files,
                    &given_up,
                );
                return Ok((scratch, written));
            };
            // A lease, so that what is below stays until this is above it.
            let scratch = layers.lease(Some(&parent))?;
            layers.prepare(&scratch, &layers.files(&parent))?;
            let below = scratch.layers().map(|layer| layers.files(layer)).collect();
            let written = write(&scratch.upper(), below, layers.form(), files, &given_up);
            Ok((scratch, written))
        })();
        let (mut scratch, written) = written.map_err(unwritten)?;
        written.map_err(|error| {
            // Reading does not fail like this: it is the store that is full.
            if is_full(&error) {
                EngineError::NoSpace { doing, place: None }
            } else {
                EngineError::Files(error)
            }
        })?;
        if given_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let doing = format!("storing the files of `{}`", new.title);
        let published = layers.publish(&mut scratch, &new);
        published.map(drop).map_err(failed(doing))
    }
}

fn write(
    root: &Path,
    below: Vec<PathBuf>,
    form: Form,
    files: Box<dyn FileSource>,
    given_up: &GivenUp,
) -> io::Result<()> {
    let root = File::open(root)?;
    let mut sink = Sink {
        writer: Writer::new(root.as_fd(), below, form)?,
        given_up,
    };
    catch_unwind(AssertUnwindSafe(|| files.walk(&mut sink)))
        .unwrap_or_else(|_| Err(io::Error::other("reading the files panicked")))?;
    sink.writer.finish()
}

/// Stops where nobody waits any more.
struct Sink<'a> {
    writer: Writer,
    given_up: &'a GivenUp,
}

impl FileSink for Sink<'_> {
    fn add(&mut self, entry: &Entry, content: &mut dyn io::Read) -> io::Result<()> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for the layer any more"));
        }
        self.writer.add(entry, content)
    }
}
