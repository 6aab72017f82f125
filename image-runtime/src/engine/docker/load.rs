//! Makes a layer of files by an image that is sent with its topmost layer alone: the daemon has those below, and writes each file
//! once, into the new layer. A container that is filled and made an image of has them written, found again among all others,
//! written again, and removed.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use bollard::models::ImageInspect;
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, ImportImageOptionsBuilder};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::Daemon;
use super::archive::{Pipe, TarSink, as_it_says, write};
use super::error::of_files;
use super::layer::{image_of, labels};
use super::place::Found;
use crate::digest::Digest;
use crate::engine::packing::Digesting;
use crate::engine::{
    EngineError, Entry, EntryKind, FileSink as _, FileSource, NewLayer, on_thread,
};
use crate::rfc3339::rfc3339;

/// Where the new layer lies in what is sent.
const LAYER: &str = "layer.tar";
const CONFIG: &str = "config.json";
const MANIFEST: &str = "manifest.json";

/// What contents fill up to in an archive.
const BLOCK: u64 = 512;

/// The first bytes of an archive, which tell of its first entry.
const BEGIN: usize = 4096;

/// What begins the name of a file that hides others, in the archive of a layer.
const HIDES: &str = ".wh.";

/// What a container shows at a path.
enum Seen {
    Nothing,
    Directory(Entry),
    Other,
}

impl Daemon {
    /// The entries of the layer that files make above what a container shows, where they can be sent as such.
    pub(super) async fn entries_apart(
        self: &Arc<Self>,
        entries: Option<Vec<Entry>>,
        container: &str,
    ) -> Result<Option<Vec<Entry>>, EngineError> {
        let Some(entries) = entries else {
            return Ok(None);
        };
        if !self.completes_images().await? {
            return Ok(None);
        }
        let (daemon, container) = (Arc::clone(self), container.to_owned());
        let runtime = tokio::runtime::Handle::current();
        let see = move |path: &Path| runtime.block_on(daemon.see(&container, path));
        on_thread(move || apart(entries, see))
            .await
            .map_err(of_files)
    }

    /// Whether the daemon takes an image without the layers that it has: Podman and a Docker whose images are containerd's do not.
    async fn completes_images(&self) -> Result<bool, EngineError> {
        if self.server.product != "Docker" {
            return Ok(false);
        }
        let info = self.docker.info().await;
        let info = info.map_err(self.failed("asking how the daemon keeps images"))?;
        let status = info.driver_status.unwrap_or_default();
        Ok(!status
            .iter()
            .flatten()
            .any(|text| text.contains("containerd")))
    }

    async fn see(&self, container: &str, path: &Path) -> io::Result<Seen> {
        Ok(match self.look(container, path).await? {
            Found::Nothing => Seen::Nothing,
            Found::Directory => Seen::Directory(self.directory(container, path).await?),
            Found::Link(_) | Found::File => Seen::Other,
        })
    }

    /// A directory of a container, with its attributes.
    async fn directory(&self, container: &str, path: &Path) -> io::Result<Entry> {
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(&format!("/{}", path.display()))
            .build();
        let archive = self
            .docker
            .download_from_container(container, Some(options));
        let mut archive = pin!(archive);
        // It comes before all that is in it, which need not be read.
        let mut begin = Vec::new();
        while begin.len() < BEGIN {
            match archive.try_next().await {
                Ok(Some(bytes)) => begin.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(error) => {
                    let doing = format!("reading what `/{}` is", path.display());
                    return Err(io::Error::other(self.failed(doing)(error)));
                }
            }
        }
        let mut archive = tar::Archive::new(begin.as_slice());
        let first = archive.entries()?.next();
        let first = first.ok_or(io::ErrorKind::UnexpectedEof)??;
        let header = first.header();
        let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
        Ok(Entry {
            path: path.to_owned(),
            kind: EntryKind::Directory,
            mode: header.mode()? & 0o7777,
            uid: number(header.uid()?)?,
            gid: number(header.gid()?)?,
            mtime: header.mtime()?,
        })
    }

    /// Makes a layer of an image and these entries above it.
    pub(super) async fn load(
        &self,
        image: &ImageInspect,
        new: &NewLayer,
        files: Box<dyn FileSource>,
        entries: Vec<Entry>,
    ) -> Result<(), EngineError> {
        let upper = Upper {
            image: image.clone(),
            new: new.clone(),
            entries,
        };
        let (archive, packing) = write(move |pipe| upper.write(files, pipe));
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let body = bollard::body_try_stream(archive);
        let answer = self
            .docker
            .import_image(options, body, None)
            .try_for_each(|_| async { Ok(()) })
            .await;
        packing
            .finish(answer.map_err(self.failed("putting files into a layer")))
            .await
    }
}

/// The entries with those of directories that are there already, as they are: nothing where what is there could be hidden by one of
/// them, or says where one goes.
fn apart(
    entries: Vec<Entry>,
    mut see: impl FnMut(&Path) -> io::Result<Seen>,
) -> io::Result<Option<Vec<Entry>>> {
    // What the entries named, and whether it is a directory that is new.
    let mut named: HashMap<PathBuf, bool> = HashMap::new();
    let mut apart = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let (Some(parent), Some(name)) = (entry.path.parent(), entry.path.file_name()) else {
            return Ok(None);
        };
        if name.as_encoded_bytes().starts_with(HIDES.as_bytes()) {
            return Ok(None);
        }
        if let EntryKind::HardLink { target } = &entry.kind
            && !named.contains_key(target)
        {
            return Ok(None);
        }
        let is_directory = entry.kind == EntryKind::Directory;
        let is_in_new = match named.get(parent) {
            Some(is_new) => *is_new,
            None if parent.as_os_str().is_empty() => false,
            None => return Ok(None),
        };
        let mut is_new = is_directory;
        if !is_in_new {
            match see(&entry.path)? {
                Seen::Nothing if is_directory => {}
                Seen::Directory(there) if is_directory => {
                    is_new = false;
                    entry = there;
                }
                _ => return Ok(None),
            }
        }
        if named.insert(entry.path.clone(), is_new).is_some() {
            return Ok(None);
        }
        apart.push(entry);
    }
    Ok(Some(apart))
}

/// A layer above an image.
struct Upper {
    image: ImageInspect,
    new: NewLayer,
    entries: Vec<Entry>,
}

impl Upper {
    /// Writes the image of both. What the daemon reads first comes last, so that it makes nothing of an image that breaks off.
    fn write(self, files: Box<dyn FileSource>, to: &mut Pipe) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(LAYER)?;
        header.set_size(size_of(&self.entries)?);
        header.set_cksum();
        to.write_all(header.as_bytes())?;
        let mut entries = self.entries.clone().into_iter();
        let place = Box::new(move |_: &Entry| match entries.next() {
            None => Err(io::Error::other("more files came than were told of")),
            entry => Ok(entry),
        });
        let mut layer = TarSink::new(Digesting::new(&mut *to), place);
        layer.fill(files)?;
        let (_, layer, _) = layer.end()?.finish();
        let mut image = tar::Builder::new(to);
        for (name, document) in [(CONFIG, self.config(&layer)), (MANIFEST, self.manifest())] {
            let document = serde_json::to_vec(&document)?;
            let mut header = tar::Header::new_gnu();
            header.set_size(document.len() as u64);
            image.append_data(&mut header, name, document.as_slice())?;
        }
        image.finish()
    }

    /// The layers below, as the daemon names them.
    fn below(&self) -> &[String] {
        let layers = self.image.root_fs.as_ref();
        layers
            .and_then(|layers| layers.layers.as_deref())
            .unwrap_or_default()
    }

    fn config(&self, layer: &Digest) -> serde_json::Value {
        let mut config = self.image.config.clone().unwrap_or_default();
        config
            .labels
            .get_or_insert_default()
            .extend(labels(&self.new));
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let layer = format!("sha256:{layer}");
        let layers: Vec<_> = self.below().iter().chain([&layer]).collect();
        json!({
            "architecture": self.image.architecture,
            "variant": self.image.variant.as_deref().unwrap_or_default(),
            "os": self.image.os,
            "created": rfc3339(now.as_secs()),
            "comment": self.new.title,
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": layers },
        })
    }

    /// The files of the layers below are named and not sent.
    fn manifest(&self) -> serde_json::Value {
        let below = (0..self.below().len()).map(|number| format!("{number}.tar"));
        json!([{
            "Config": CONFIG,
            "RepoTags": [image_of(&self.new.id)],
            "Layers": below.chain([LAYER.to_owned()]).collect::<Vec<_>>(),
        }])
    }
}

/// How long the archive of entries is.
fn size_of(entries: &[Entry]) -> io::Result<u64> {
    let mut archive = TarSink::new(Digesting::new(io::sink()), as_it_says());
    let mut contents = 0;
    for entry in entries {
        let mut head = entry.clone();
        if let EntryKind::File { size } = &mut head.kind {
            contents += std::mem::take(size).next_multiple_of(BLOCK);
        }
        archive.add(&head, &mut io::empty())?;
    }
    let (_, _, heads) = archive.end()?.finish();
    Ok(heads + contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over an image that has `/opt`, which is user 7's, the file `/file` and the link `/bin`.
    fn over(entries: &[Entry]) -> Option<Vec<Entry>> {
        let see = |path: &Path| {
            Ok(match path.to_str() {
                Some("opt") => Seen::Directory(Entry {
                    uid: 7,
                    ..Entry::at("opt", EntryKind::Directory)
                }),
                Some("file" | "bin") => Seen::Other,
                _ => Seen::Nothing,
            })
        };
        apart(entries.to_vec(), see).unwrap()
    }

    #[test]
    fn what_lies_in_new_directories_is_a_layer_by_itself() {
        let entries = [
            Entry::at("opt", EntryKind::Directory),
            Entry::at("opt/new", EntryKind::Directory),
            Entry::at("opt/new/file", EntryKind::File { size: 1 }),
            Entry::at("opt/new/deeper", EntryKind::Directory),
        ];
        let mut expected = entries.to_vec();
        expected[0].uid = 7;
        assert_eq!(over(&entries), Some(expected));
    }

    #[test]
    fn what_may_meet_something_that_is_there_is_not() {
        let file = || EntryKind::File { size: 0 };
        for paths in [
            &[("file", EntryKind::Directory)][..],
            &[("bin", EntryKind::Directory)],
            &[("top", file())],
            &[("opt", EntryKind::Directory), ("opt/file", file())],
            &[("opt/new", EntryKind::Directory)],
            &[("new", EntryKind::Directory), ("new/.wh.x", file())],
            &[
                ("new", EntryKind::Directory),
                ("new/x", EntryKind::Directory),
                ("new/x", file()),
            ],
        ] {
            let entries: Vec<_> = paths
                .iter()
                .map(|(path, kind)| Entry::at(path, kind.clone()))
                .collect();
            assert_eq!(over(&entries), None, "{paths:?}");
        }
    }

    #[test]
    fn an_archive_is_as_long_as_was_said() {
        let long = format!("new/{}", "x".repeat(200));
        let entries = [
            Entry::at("new", EntryKind::Directory),
            Entry::at(&long, EntryKind::File { size: 700 }),
        ];
        // Two headers, two blocks of content, the long name in two more, and the end.
        assert_eq!(size_of(&entries).unwrap(), 512 * (2 + 2 + 2 + 2));
    }
}
