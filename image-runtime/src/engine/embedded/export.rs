//! Layers leave the store: packed, digested on the way, and handed on one after the other.
//!
//! What was found of a layer is noted beside it, so that who has it already need not be sent it, and need not wait until it is
//! packed again.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use futures_util::{FutureExt as _, StreamExt as _};
use rustix::fs::{Mode, OFlags, openat};
use serde::{Deserialize, Serialize};

use super::files;
use super::form::Form;
use super::layers::{FILES, Layers, Scratch};
use crate::digest::{Digest, LayerId};
use crate::engine::error::failed;
use crate::engine::{EngineError, LayerSink, PackedLayer, packing};

/// What is known of a packed layer, in its directory.
const NOTE: &str = "packed.json";
/// How a layer is packed: another program that does it otherwise must not trust what this one noted.
const FORMAT: &str = concat!("1, image-runtime ", env!("CARGO_PKG_VERSION"));
/// Layers that are packed at the same time, and wait until they are taken.
const PARALLEL: usize = 2;
/// How often it is told how far the packing is.
const TELL: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    format: String,
    digest: Digest,
    size: u64,
    diff_id: Digest,
    newest: u64,
}

/// See [`crate::engine::Engine::export`].
pub(super) async fn export(
    layers: &Layers,
    top: &LayerId,
    to: &dyn LayerSink,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Vec<PackedLayer>, EngineError> {
    let (of, id) = (layers.clone(), *top);
    let begun = layers.on_thread(move || {
        // Nothing of it is removed meanwhile, and what is packed has a place.
        let lease = of.lease(Some(&id))?;
        let stack: Vec<_> = lease.layers().copied().collect();
        let total = stack.iter().map(|layer| of.size(layer)).sum();
        Ok((stack, lease, total))
    });
    let (stack, lease, total): (_, Scratch, u64) =
        begun.await.map_err(failed("exporting the layers"))?;
    let done = Arc::new(AtomicU64::new(0));
    let pack = |(number, id): (usize, &LayerId)| -> BoxFuture<'_, _> {
        let file = lease.path().join(format!("{number}.tar.gz"));
        pack_one(layers, *id, file, to, Arc::clone(&done)).boxed()
    };
    let packing: Vec<_> = stack.iter().rev().enumerate().map(pack).collect();
    let mut packing = futures_util::stream::iter(packing).buffered(PARALLEL);
    let work = async {
        let mut packed = Vec::new();
        while let Some(next) = packing.next().await {
            let (layer, file) = next?;
            if let Some(file) = file {
                to.take(&layer, &file).await?;
                // It may have been moved away.
                let _ = std::fs::remove_file(file);
            }
            packed.push(layer);
        }
        Ok(packed)
    };
    let telling = async {
        loop {
            tokio::time::sleep(TELL).await;
            progress(done.load(Ordering::Relaxed).min(total), total);
        }
    };
    match select(work.boxed(), telling.boxed()).await {
        Either::Left((packed, _)) => packed,
        Either::Right((never, _)) => never,
    }
}

/// Packs a layer into a file, unless whoever takes it has it already.
async fn pack_one(
    layers: &Layers,
    id: LayerId,
    file: PathBuf,
    to: &dyn LayerSink,
    done: Arc<AtomicU64>,
) -> Result<(PackedLayer, Option<PathBuf>), EngineError> {
    let of = layers.clone();
    let opened = layers.on_thread(move || {
        let (directory, title) = of.open_layer(&id)?;
        let known = read_note(&directory);
        Ok((directory, title, known, of.size(&id)))
    });
    let doing = format!("packing layer {}", id.short());
    let (directory, title, known, size) = opened.await.map_err(failed(doing.as_str()))?;
    let known = known.map(|note| note.layer(&title));
    if let Some(known) = &known
        && to.has(known).await?
    {
        done.fetch_add(size, Ordering::Relaxed);
        return Ok((known.clone(), None));
    }
    let (target, counter, form) = (file.clone(), done, layers.form());
    let packed = layers.on_thread_as_root(move || {
        let note = pack(&directory, form, &target, &counter)?;
        // Packed again the next time where it cannot be kept.
        let _ = write_note(&directory, &note);
        Ok(note.layer(&title))
    });
    let packed = packed.await.map_err(failed(doing.as_str()))?;
    match known {
        Some(known) if known.diff_id != packed.diff_id => Err(EngineError::Refused {
            doing,
            said: format!(
                "its files are not those that it had before: their digest is {}, and was {}\n  help: build the image again with `build --no-cache`",
                packed.diff_id, known.diff_id
            ),
        }),
        _ => Ok((packed, Some(file))),
    }
}

impl Note {
    fn layer(self, title: &str) -> PackedLayer {
        PackedLayer {
            title: title.to_owned(),
            digest: self.digest,
            size: self.size,
            diff_id: self.diff_id,
            newest: self.newest,
        }
    }
}

fn pack(directory: &File, form: Form, target: &Path, done: &AtomicU64) -> io::Result<Note> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(directory, FILES, flags, Mode::empty())?;
    let packing = packing::pack(target, done, |out| files::pack(root.as_fd(), form, out))?;
    Ok(Note {
        format: FORMAT.to_owned(),
        digest: packing.digest,
        size: packing.size,
        diff_id: packing.diff_id,
        newest: packing.newest,
    })
}

fn read_note(directory: &File) -> Option<Note> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = File::from(openat(directory, NOTE, flags, Mode::empty()).ok()?);
    let note: Note = serde_json::from_reader(file).ok()?;
    (note.format == FORMAT).then_some(note)
}

fn write_note(directory: &File, note: &Note) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(directory, NOTE, flags, Mode::from_raw_mode(0o644))?;
    // Half a note is none.
    File::from(file).write_all(&serde_json::to_vec(note)?)
}
