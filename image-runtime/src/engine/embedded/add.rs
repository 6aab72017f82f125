//! Makes layers of files: written into a directory, or through an overlay of the layers below it.

#![expect(
    unsafe_code,
    reason = "a thread gets a mount namespace of its own; std has no word for that"
)]

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

use super::files::Writer;
use super::layers::{Layers, Scratch};
use crate::engine::{EngineError, Entry, FileSink, FileSource, NewLayer};

/// Set when nobody waits for the layer any more.
pub(super) type GivenUp = Arc<AtomicBool>;

/// What making a layer of files needs.
pub(super) struct Addition {
    pub(super) layers: Layers,
    pub(super) new: NewLayer,
    pub(super) files: Box<dyn FileSource>,
    pub(super) volatile: bool,
    pub(super) given_up: GivenUp,
}

impl Addition {
    /// Writes the files and publishes the layer. Blocks.
    pub(super) fn make(self) -> Result<(), EngineError> {
        let Self {
            layers,
            new,
            files,
            volatile,
            given_up,
        } = self;
        let doing = format!("putting files into `{}`", new.title);
        let failed = super::failed(doing);
        let written = (|| {
            let Some(parent) = new.parent else {
                let scratch = layers.draft().map_err(io::Error::other)?;
                scratch.make_upper()?;
                let root = scratch.upper();
                return Ok((scratch, write(&root, files, &given_up)));
            };
            // A lease, so that what is below stays until this is above it.
            let stack = layers.stack(&parent)?;
            let scratch = layers.lease(&stack, &[])?;
            scratch.prepare(&layers.files(&parent))?;
            let written = write_over(&layers, &stack, &scratch, volatile, files, &given_up)?;
            Ok((scratch, written))
        })();
        let (scratch, written) = written.map_err(failed)?;
        written.map_err(EngineError::Files)?;
        if given_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        let doing = format!("storing the files of `{}`", new.title);
        layers.publish(&scratch, &new).map_err(super::failed(doing))
    }
}

/// The outer error is ours, the inner one the source's.
type Written = io::Result<io::Result<()>>;

/// Writes through a mount that only this thread sees, and that ends with it.
fn write_over(
    layers: &Layers,
    stack: &[crate::digest::LayerId],
    scratch: &Scratch,
    volatile: bool,
    files: Box<dyn FileSource>,
    given_up: &GivenUp,
) -> Written {
    let overlay = layers.overlay(stack, scratch, volatile)?;
    let root = scratch.path().join("root");
    let thread = std::thread::Builder::new().name("image-runtime-files".into());
    std::thread::scope(|scope| {
        let writing = thread.spawn_scoped(scope, || {
            // SAFETY: only file system attributes and mounts of this thread change, and it ends after this.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
            mount_change(
                "/",
                MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
            )?;
            // Of this thread alone, since it shares none with others any more.
            std::env::set_current_dir(&overlay.directory)?;
            let options = std::ffi::CString::new(overlay.options.as_str())?;
            mount(
                "overlay",
                overlay.target.as_str(),
                "overlay",
                MountFlags::NODEV,
                options.as_c_str(),
            )?;
            Ok(write(&root, files, given_up))
        })?;
        writing
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes panicked")))
    })
}

fn write(root: &PathBuf, files: Box<dyn FileSource>, given_up: &GivenUp) -> io::Result<()> {
    let root = File::open(root)?;
    let mut sink = Sink {
        writer: Writer::new(root.as_fd())?,
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
