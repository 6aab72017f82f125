//! Images of registries become layers: one for each of theirs, so that images share what they have in common. A layer is unpacked
//! as soon as it has arrived, whatever of the others has; it comes into being when those below it are there. Another program may make
//! the same ones at the same time: who comes second takes those of the first.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;

use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, future, stream};
use tokio::sync::watch;

use super::files;
use super::layers::{Layers, Scratch};
use super::overlay;
use crate::base::oci::{Client, Fetched, FetchedLayer, Hashing, Receive};
use crate::digest::{Encoder, LayerId};
use crate::engine::error::failed;
use crate::engine::{EngineError, NewLayer};
use crate::spec::ImageConfig;

/// Layers that are unpacked at the same time.
const PARALLEL: usize = 4;

/// Makes the layers of an image, the topmost as `new`.
///
/// # Errors
/// What fetching fails with, an archive that is damaged, or what the file system says. What was whole before that stays, and is
/// found the next time.
pub(super) async fn pull(
    registries: &Client,
    layers: &Layers,
    new: &NewLayer,
    (reference, digest): (&str, &str),
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<ImageConfig, EngineError> {
    let arriving = Arriving {
        layers: layers.clone(),
        new: new.clone(),
        begun: watch::Sender::new(None),
    };
    let fetching = registries.fetch_to(reference, digest, progress, &arriving);
    let unpacking = unpack(&arriving).map_err(failed(format!("unpacking `{}`", new.title)));
    let (image, ()) = future::try_join(fetching.boxed(), unpacking.boxed()).await?;
    Ok(image.config)
}

/// What is known of an image while it arrives.
struct Arriving {
    layers: Layers,
    new: NewLayer,
    begun: watch::Sender<Option<io::Result<Begun>>>,
}

struct Begun {
    parts: Vec<Part>,
    /// Keeps those that images share from being removed before the topmost is there.
    #[expect(dead_code, reason = "there until it is dropped")]
    reserved: Scratch,
}

/// A layer of an image and what it becomes.
#[derive(Clone)]
struct Part {
    packed: FetchedLayer,
    new: NewLayer,
    /// Whether other images can have it, too: then one that is there is as good. Whoever asks for the topmost wants it made.
    is_shared: bool,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It was made for an image before.
    Exists,
    Awaited,
    Arrived,
}

impl Receive for Arriving {
    fn begin(&self, image: &Fetched) -> Vec<bool> {
        // It may wait for who removes layers: nobody who looks at what has begun waits with it.
        if self.begun.borrow().is_none() {
            let begun = begin(&self.layers, &self.new, image);
            self.begun.send_replace(Some(begun));
        }
        match &*self.begun.borrow() {
            Some(Ok(begun)) => {
                let parts = begun.parts.iter();
                parts.map(|part| part.step != Step::Exists).collect()
            }
            // Nothing need be fetched where that failed.
            _ => vec![false; image.layers.len()],
        }
    }

    fn arrived(&self, index: usize) {
        self.begun.send_modify(|begun| {
            let begun = begun.as_mut().and_then(|begun| begun.as_mut().ok());
            let part = begun.and_then(|begun| begun.parts.get_mut(index));
            part.expect("who fetches has begun").step = Step::Arrived;
        });
    }
}

/// Which layers there are to be, and which of them are there, which then stay.
fn begin(layers: &Layers, new: &NewLayer, image: &Fetched) -> io::Result<Begun> {
    let count = image.layers.len();
    // One is below all of them.
    let most = overlay::MOST - 1;
    if count > most {
        return Err(io::Error::other(format!(
            "the image has {count} layers, and Linux stacks no more than {most}"
        )));
    }
    let mut parts = parts(new, image);
    let shared = parts.iter().filter(|part| part.is_shared);
    let reserved = layers.reserve(shared.map(|part| part.new.id))?;
    for part in &mut parts {
        if part.is_there(layers) {
            part.step = Step::Exists;
        }
    }
    Ok(Begun { parts, reserved })
}

fn parts(new: &NewLayer, image: &Fetched) -> Vec<Part> {
    let mut parent = None;
    let count = image.layers.len();
    let part = |(index, packed): (usize, &FetchedLayer)| {
        let number = index + 1;
        let is_shared = number < count;
        let part = if is_shared {
            NewLayer {
                id: identity(parent, packed),
                parent,
                title: format!("{}, part {number}", new.title),
            }
        } else {
            NewLayer {
                parent,
                ..new.clone()
            }
        };
        parent = Some(part.id);
        Part {
            packed: packed.clone(),
            new: part,
            is_shared,
            step: Step::Awaited,
        }
    };
    image.layers.iter().enumerate().map(part).collect()
}

impl Part {
    /// Whether it need not be made.
    fn is_there(&self, layers: &Layers) -> bool {
        self.is_shared && layers.has(&self.new.id)
    }
}

/// Unpacks what arrives, and publishes it in the order of the image.
async fn unpack(arriving: &Arriving) -> io::Result<()> {
    let mut begun = arriving.begun.subscribe();
    let parts = match &*begun
        .wait_for(Option::is_some)
        .await
        .map_err(io::Error::other)?
    {
        Some(Ok(begun)) => begun.parts.clone(),
        Some(Err(error)) => return Err(io::Error::new(error.kind(), error.to_string())),
        None => Vec::new(),
    };
    let layers = &arriving.layers;
    if parts.is_empty() {
        let (of, new) = (layers.clone(), arriving.new.clone());
        return layers
            .on_thread(move || of.publish(&mut of.empty_draft()?, &new).map(drop))
            .await;
    }
    let new = parts.into_iter().enumerate();
    let new = new.filter(|(_, part)| part.step != Step::Exists);
    let unpacked = new.map(|(index, part)| {
        let (mut begun, layers) = (arriving.begun.subscribe(), layers.clone());
        async move {
            let has_arrived = |begun: &Option<io::Result<Begun>>| match begun {
                Some(Ok(begun)) => begun.parts[index].step == Step::Arrived,
                _ => false,
            };
            begun
                .wait_for(has_arrived)
                .await
                .map_err(io::Error::other)?;
            let of = layers.clone();
            layers.on_thread(move || unpack_one(&of, part)).await
        }
        .boxed()
    });
    let unpacked: Vec<_> = unpacked.collect();
    let mut unpacked = stream::iter(unpacked).buffered(PARALLEL);
    while let Some(next) = unpacked.next().await {
        let Some(Unpacked {
            mut scratch,
            new,
            is_shared,
        }) = next?
        else {
            continue;
        };
        let of = layers.clone();
        let publish = move || match is_shared {
            true => of.publish_shared(&mut scratch, &new),
            false => of.publish(&mut scratch, &new).map(drop),
        };
        layers.on_thread(publish).await?;
    }
    Ok(())
}

/// The files of a layer, of which nobody knows yet.
struct Unpacked {
    scratch: Scratch,
    new: NewLayer,
    is_shared: bool,
}

/// What a layer of an image is called here. It depends on those below, since it hides some of their files.
fn identity(parent: Option<LayerId>, layer: &FetchedLayer) -> LayerId {
    let mut encoder = Encoder::new("image-runtime image layer v1");
    if let Some(parent) = &parent {
        encoder.digest(parent);
    }
    encoder.digest(&layer.diff_id).finish()
}

/// Unpacks a layer, unless it has come into being meanwhile. Blocks.
fn unpack_one(layers: &Layers, part: Part) -> io::Result<Option<Unpacked>> {
    if part.is_there(layers) {
        return Ok(None);
    }
    let Part {
        packed,
        mut new,
        is_shared,
        ..
    } = part;
    let scratch = layers.empty_draft()?;
    let root = File::open(scratch.upper())?;
    let file = File::open(&packed.path)?;
    let mut archive = Hashing::new(files::decompress(file)?);
    let unpacked = files::unpack(&mut archive, root.as_fd(), layers.form());
    let digest = unpacked.and_then(|()| archive.finish());
    if digest
        .as_ref()
        .is_ok_and(|digest| *digest == packed.diff_id)
    {
        if files::hides_all_below(root.as_fd(), layers.form())? {
            new.parent = None;
        }
        return Ok(Some(Unpacked {
            scratch,
            new,
            is_shared,
        }));
    }
    Err(match (is_damaged(&packed), digest) {
        (true, _) => {
            match fs::remove_file(&packed.path) {
                // Another program may have found the same.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            io::Error::other(format!(
                "what was kept of layer {} is damaged\n  help: try again; it is then fetched anew",
                packed.digest
            ))
        }
        (false, Err(error)) => error,
        (false, Ok(digest)) => io::Error::other(format!(
            "layer {} is not what its image says: its files have the digest {digest}, not {}",
            packed.digest, packed.diff_id
        )),
    })
}

/// Whether a blob is no more what was asked for. One that this process cannot read may be good.
fn is_damaged(blob: &FetchedLayer) -> bool {
    let digest = File::open(&blob.path).and_then(|file| Hashing::new(file).finish());
    match digest {
        Ok(digest) => digest != blob.digest,
        Err(error) => error.raw_os_error() == Some(libc::EIO),
    }
}
