//! Layers leave a daemon as it saves them: one archive of the whole image, whose layers are packed anew.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicU64;

use flate2::read::MultiGzDecoder;
use futures_util::TryStreamExt as _;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use super::layer::image_of;
use super::{Daemon, PARENT_LABEL, TITLE_LABEL};
use crate::digest::LayerId;
use crate::engine::error::failed;
use crate::engine::{EngineError, Lacking, LayerSink, PackedLayer, on_thread, packing};

const DOING: &str = "exporting the layers";
/// The most bytes of the list of layers.
const LONGEST: u64 = 8 * 1024 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What the daemon knows of one of its layers.
struct Known {
    title: String,
    diff_id: String,
}

impl Daemon {
    /// See [`crate::engine::Engine::export`].
    pub(super) async fn export(
        &self,
        layer: &LayerId,
        to: &dyn LayerSink,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Vec<PackedLayer>, EngineError> {
        let (known, total) = self.known_layers(layer).await?;
        let folder = tempfile::tempdir().map_err(failed(DOING))?;
        let saved = folder.path().join("saved.tar");
        self.save_image(layer, &saved, total, progress).await?;
        let layers = on_thread(move || Saved::layers(&saved)).await;
        let layers = layers.map_err(failed(DOING))?;
        if layers.len() != known.len() {
            return Err(failed(DOING)(io::Error::other(format!(
                "the daemon saved {} layers and knows {}",
                layers.len(),
                known.len()
            ))));
        }
        let mut packed = Vec::new();
        for (number, (saved, known)) in layers.into_iter().zip(known).enumerate() {
            let target = folder.path().join(format!("{number}.tar.gz"));
            let file = target.clone();
            let packing =
                on_thread(move || packing::pack(&file, &AtomicU64::new(0), |out| saved.copy(out)));
            let packing = packing.await.map_err(failed(DOING))?;
            if known.diff_id != format!("sha256:{}", packing.diff_id) {
                return Err(failed(DOING)(io::Error::other(format!(
                    "a layer has the digest {}, and the daemon knows it as {}",
                    packing.diff_id, known.diff_id
                ))));
            }
            let layer = PackedLayer {
                title: known.title,
                digest: packing.digest,
                size: packing.size,
                diff_id: packing.diff_id,
                newest: packing.newest,
            };
            to.take(&layer, &target).await?;
            // It may have been moved away.
            let _ = std::fs::remove_file(target);
            packed.push(layer);
        }
        Ok(packed)
    }

    /// The daemon's layers of an image, the lowest first, and the bytes of all. One of ours may be several of its own.
    async fn known_layers(&self, top: &LayerId) -> Result<(Vec<Known>, u64), EngineError> {
        let mut known = Vec::new();
        let mut total = None;
        let mut next = Some(*top);
        while let Some(layer) = next {
            let missing = || Lacking::missing(layer).while_doing(DOING);
            let image = self.find_layer(&layer).await?.ok_or_else(missing)?;
            let size = image.size.unwrap_or_default();
            total.get_or_insert(u64::try_from(size).unwrap_or_default());
            let ids = image.root_fs.and_then(|files| files.layers);
            let ids = ids.unwrap_or_default();
            let labels = image.config.and_then(|config| config.labels);
            let labels: HashMap<String, String> = labels.unwrap_or_default();
            let title = labels.get(TITLE_LABEL).cloned().unwrap_or_default();
            if known.is_empty() {
                known.extend(ids.iter().map(|diff_id| Known {
                    title: String::new(),
                    diff_id: diff_id.clone(),
                }));
            }
            // A lower one says it again of those that it has.
            for known in known.iter_mut().take(ids.len()) {
                known.title.clone_from(&title);
            }
            next = labels.get(PARENT_LABEL).and_then(|id| id.parse().ok());
        }
        Ok((known, total.unwrap_or_default()))
    }

    async fn save_image(
        &self,
        layer: &LayerId,
        path: &Path,
        total: u64,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<(), EngineError> {
        let mut file = tokio::fs::File::create(path).await.map_err(failed(DOING))?;
        let image = image_of(layer);
        let mut stream = std::pin::pin!(self.docker.export_image(&image));
        let mut done = 0;
        while let Some(chunk) = stream.try_next().await.map_err(self.failed(DOING))? {
            file.write_all(&chunk).await.map_err(failed(DOING))?;
            done += chunk.len() as u64;
            progress(done.min(total), total);
        }
        file.flush().await.map_err(failed(DOING))
    }
}

/// A layer in the archive of a daemon.
struct Saved {
    archive: PathBuf,
    offset: u64,
    size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    layers: Vec<PathBuf>,
}

impl Saved {
    /// The layers of the one image in an archive, the lowest first.
    fn layers(archive: &Path) -> io::Result<Vec<Self>> {
        let mut files = HashMap::new();
        let mut links = HashMap::new();
        let mut manifest = None;
        let mut entries = tar::Archive::new(File::open(archive)?);
        for entry in entries.entries_with_seek()? {
            let mut entry = entry?;
            let path = clean(&entry.path()?);
            if let Some(target) = entry.link_name()? {
                // The daemon writes a layer that is there twice once.
                let folder = path.parent().unwrap_or(Path::new(""));
                links.insert(path.clone(), clean(&folder.join(target)));
            } else if path == Path::new("manifest.json") {
                let mut text = Vec::new();
                entry.by_ref().take(LONGEST).read_to_end(&mut text)?;
                let images: Vec<Manifest> = serde_json::from_slice(&text)?;
                manifest = images.into_iter().next();
            } else {
                files.insert(path, (entry.raw_file_position(), entry.size()));
            }
        }
        let missing = || io::Error::other("the daemon saved an archive that lacks a layer");
        let place = |path: &PathBuf| {
            let path = clean(path);
            let path = links.get(&path).unwrap_or(&path);
            let (offset, size) = *files.get(path).ok_or_else(missing)?;
            Ok(Self {
                archive: archive.to_owned(),
                offset,
                size,
            })
        };
        let manifest = manifest.ok_or_else(missing)?;
        manifest.layers.iter().map(place).collect()
    }

    /// Writes the layer's own archive, and answers the newest time in it.
    fn copy(&self, out: &mut dyn Write) -> io::Result<u64> {
        let mut file = File::open(&self.archive)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut start = Vec::new();
        Read::by_ref(&mut file)
            .take(2.min(self.size))
            .read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let content = file.take(self.size);
        let mut tee = if start == GZIP {
            Tee {
                inner: Box::new(MultiGzDecoder::new(content)),
                out,
            }
        } else {
            Tee {
                inner: Box::new(content),
                out,
            }
        };
        let mut newest = 0;
        for entry in tar::Archive::new(&mut tee).entries()? {
            newest = newest.max(entry?.header().mtime()?);
        }
        io::copy(&mut tee, &mut io::sink())?;
        Ok(newest)
    }
}

/// Writes what is read through it.
struct Tee<'a> {
    inner: Box<dyn Read>,
    out: &'a mut dyn Write,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.out.write_all(&buffer[..length])?;
        Ok(length)
    }
}

/// A path without `.` and `..`.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}
