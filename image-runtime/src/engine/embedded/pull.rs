//! Images of registries become layers: one for each of theirs, so that images share what they have in common. A layer is unpacked
//! as soon as it has arrived, whatever of the others has; it comes into being when those below it are there.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;

use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _, future, stream};
use tokio::sync::watch;

use super::failed;
use super::files;
use super::layers::{Layers, Scratch};
use crate::base::oci::{Client, Fetched, FetchedLayer, Hashing, Receive};
use crate::digest::{Encoder, LayerId};
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
        state: watch::Sender::default(),
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
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    parts: Option<Vec<Part>>,
}

/// A layer of an image and what it becomes.
#[derive(Clone)]
struct Part {
    packed: FetchedLayer,
    new: NewLayer,
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
        let mut needed = Vec::new();
        self.state.send_modify(|state| {
            let parts = state
                .parts
                .get_or_insert_with(|| parts(&self.layers, &self.new, image));
            needed.extend(parts.iter().map(|part| part.step != Step::Exists));
        });
        needed
    }

    fn arrived(&self, index: usize) {
        self.state.send_modify(|state| {
            let part = state.parts.as_mut().and_then(|parts| parts.get_mut(index));
            part.expect("who fetches has begun").step = Step::Arrived;
        });
    }
}

fn parts(layers: &Layers, new: &NewLayer, image: &Fetched) -> Vec<Part> {
    let mut parent = None;
    let count = image.layers.len();
    let part = |(index, packed): (usize, &FetchedLayer)| {
        let number = index + 1;
        let part = if number == count {
            NewLayer {
                parent,
                ..new.clone()
            }
        } else {
            NewLayer {
                id: identity(parent, packed),
                parent,
                title: format!("{}, part {number}", new.title),
            }
        };
        parent = Some(part.id);
        // Whoever asks for the topmost wants it made.
        let exists = number < count && layers.has(&part.id);
        Part {
            packed: packed.clone(),
            new: part,
            step: if exists { Step::Exists } else { Step::Awaited },
        }
    };
    image.layers.iter().enumerate().map(part).collect()
}

/// Unpacks what arrives, and publishes it in the order of the image.
async fn unpack(arriving: &Arriving) -> io::Result<()> {
    let mut state = arriving.state.subscribe();
    let begun = state.wait_for(|state| state.parts.is_some()).await;
    let parts = begun.map(|state| state.parts.clone().unwrap_or_default());
    let parts = parts.map_err(io::Error::other)?;
    let layers = &arriving.layers;
    if parts.is_empty() {
        let (of, new) = (layers.clone(), arriving.new.clone());
        return layers
            .on_thread(move || of.publish(&of.empty_draft()?, &new))
            .await;
    }
    let new = parts.into_iter().enumerate();
    let new = new.filter(|(_, part)| part.step != Step::Exists);
    let unpacked = new.map(|(index, part)| {
        let (mut state, layers) = (arriving.state.subscribe(), layers.clone());
        async move {
            let is_there = |state: &State| {
                let parts = state.parts.as_ref();
                parts.is_some_and(|parts| parts[index].step == Step::Arrived)
            };
            state.wait_for(is_there).await.map_err(io::Error::other)?;
            let of = layers.clone();
            layers.on_thread(move || unpack_one(&of, part)).await
        }
        .boxed()
    });
    let unpacked: Vec<_> = unpacked.collect();
    let mut unpacked = stream::iter(unpacked).buffered(PARALLEL);
    while let Some(next) = unpacked.next().await {
        let (scratch, new) = next?;
        let of = layers.clone();
        layers.on_thread(move || of.publish(&scratch, &new)).await?;
    }
    Ok(())
}

/// What a layer of an image is called here. It depends on those below, since it hides some of their files.
fn identity(parent: Option<LayerId>, layer: &FetchedLayer) -> LayerId {
    let mut encoder = Encoder::new("image-runtime image layer v1");
    if let Some(parent) = &parent {
        encoder.digest(parent);
    }
    encoder.digest(&layer.diff_id).finish()
}

/// The files of a layer, of which nobody knows yet. Blocks.
fn unpack_one(layers: &Layers, part: Part) -> io::Result<(Scratch, NewLayer)> {
    let Part {
        packed, mut new, ..
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
        return Ok((scratch, new));
    }
    // Fetched again the next time.
    fs::remove_file(&packed.path)?;
    Err(match digest {
        Err(error) => error,
        Ok(digest) => io::Error::other(format!(
            "layer {} is damaged: its files have the digest {digest}, not {}\n  help: try again; it is then fetched anew",
            packed.digest, packed.diff_id
        )),
    })
}
