//! What is known of each layer: its record, and with it whether it is one.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Layers, short};
use crate::digest::LayerId;
use crate::engine::{Lacking, LayerInfo};

/// The files that a layer adds.
pub(in crate::engine::embedded) const FILES: &str = "fs";
pub(super) const RECORD: &str = "record.json";
/// What becomes of the record of a layer that was found damaged: without a record it does not exist.
pub(super) const DAMAGED: &str = "damaged.json";
/// Bytes of the files, once somebody asked.
const SIZE: &str = "size";
/// More layers than Linux stacks: records that name each other in a circle end here.
const HIGHEST: usize = 1000;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: LayerId,
    pub(super) parent: Option<LayerId>,
    pub(super) title: String,
    pub(super) created: SystemTime,
    /// When the parent was made that it stands on: it fits no other.
    #[serde(default)]
    pub(super) parent_created: Option<SystemTime>,
}

/// A layer and all below it, topmost first, and when each was made: the same again are the same files.
pub(super) type Stack = Vec<(LayerId, SystemTime)>;

impl Layers {
    pub(super) fn directory(&self, layer: &LayerId) -> PathBuf {
        self.root.join("layers").join(short(layer))
    }

    /// The files that a layer adds.
    pub(in crate::engine::embedded) fn files(&self, layer: &LayerId) -> PathBuf {
        self.directory(layer).join(FILES)
    }

    pub(super) fn record(&self, layer: &LayerId) -> Option<Record> {
        read_record(&self.directory(layer)).filter(|record| record.id == *layer)
    }

    /// Whether a layer can be used: it and all below it are there, and fit together.
    pub(in crate::engine::embedded) fn has(&self, layer: &LayerId) -> bool {
        self.stack(layer).is_ok()
    }

    /// The directory of a layer, open: it stays the same one if the layer is replaced. And its title.
    pub(in crate::engine::embedded) fn open_layer(
        &self,
        layer: &LayerId,
    ) -> io::Result<(File, String)> {
        let directory = File::open(self.directory(layer))?;
        let record = self.record(layer).ok_or(ErrorKind::NotFound)?;
        Ok((directory, record.title))
    }

    /// Bytes of the files of a layer.
    pub(in crate::engine::embedded) fn size(&self, layer: &LayerId) -> u64 {
        size_of(&self.directory(layer))
    }

    /// A layer and all below it.
    ///
    /// # Errors
    /// One of them does not exist, or was made anew after the one above it was.
    pub(super) fn stack(&self, top: &LayerId) -> Result<Stack, Lacking> {
        let mut stack = Stack::new();
        let mut next = Some((*top, None));
        while let Some((layer, created)) = next {
            let lacking = |what| Lacking::new(layer, what);
            let record = self.record(&layer);
            let record = record.ok_or_else(|| Lacking::missing(layer))?;
            if !self.files(&layer).exists() {
                return Err(lacking("has lost its files"));
            }
            if created.is_some_and(|created| created != record.created) {
                return Err(lacking(
                    "was made anew after the one above it\n  help: try again: another program makes the same image at this time",
                ));
            }
            if stack.len() == HIGHEST {
                return Err(lacking("stands on too many others"));
            }
            stack.push((layer, record.created));
            next = record.parent.map(|parent| (parent, record.parent_created));
        }
        Ok(stack)
    }

    /// All layers, in no order.
    ///
    /// # Errors
    /// What the file system says.
    pub(in crate::engine::embedded) fn list(&self) -> io::Result<Vec<LayerInfo>> {
        let records = self.records()?;
        let own: std::collections::HashMap<_, _> = records
            .iter()
            .map(|(record, place)| (record.id, (size_of(place), record.parent)))
            .collect();
        let whole = |layer: LayerId| {
            let below = |id: &LayerId| own.get(id).and_then(|(_, parent)| *parent);
            std::iter::successors(Some(layer), below)
                .take(HIGHEST)
                .filter_map(|id| own.get(&id))
                .map(|(size, _)| size)
                .sum()
        };
        Ok(records
            .iter()
            .map(|(record, _)| LayerInfo {
                id: record.id,
                parent: record.parent,
                title: record.title.clone(),
                created: record.created,
                size: whole(record.id),
            })
            .collect())
    }

    pub(super) fn records(&self) -> io::Result<Vec<(Record, PathBuf)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(self.root.join("layers"))? {
            let place = entry?.path();
            // Those that were found damaged are not used, but removed like others.
            for name in [RECORD, DAMAGED] {
                match fs::read(place.join(name)) {
                    Ok(bytes) => {
                        if let Ok(record) = serde_json::from_slice(&bytes) {
                            records.push((record, place));
                            break;
                        }
                    }
                    Err(error) if is_absence(&error) => {}
                    Err(error) => {
                        let text = format!("`{}`: {error}", place.join(name).display());
                        return Err(io::Error::new(error.kind(), text));
                    }
                }
            }
        }
        Ok(records)
    }

    /// When it was made.
    pub(in crate::engine::embedded) fn created(&self, layer: &LayerId) -> Option<SystemTime> {
        self.record(layer).map(|record| record.created)
    }
}

/// Whether the directory of a layer holds no record, though it can be read.
pub(super) fn is_wreck(place: &Path) -> bool {
    match fs::read(place.join(RECORD)) {
        _ if read_damaged(place).is_some() => false,
        Ok(bytes) => serde_json::from_slice::<Record>(&bytes).is_err(),
        Err(error) => is_absence(&error),
    }
}

/// Whether that is why a file cannot be read, and not that this process or the disk is in trouble.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

pub(super) fn read_record(place: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place.join(RECORD)).ok()?).ok()
}

/// The record of a layer that was found damaged.
pub(super) fn read_damaged(place: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place.join(DAMAGED)).ok()?).ok()
}

/// Bytes of a layer's own files, counted once.
fn size_of(place: &Path) -> u64 {
    let noted = place.join(SIZE);
    if let Some(size) = fs::read_to_string(&noted)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return size;
    }
    let size = bytes_in(&place.join(FILES));
    // Counted again the next time where it cannot be kept.
    let _ = fs::write(noted, size.to_string());
    size
}

/// Those of files that a path reaches.
fn bytes_in(directory: &Path) -> u64 {
    let mut bytes = 0;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}
