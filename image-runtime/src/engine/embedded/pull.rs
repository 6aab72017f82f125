//! Images of registries become layers: one for each of theirs, so that images share what they have in common.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;

use super::files;
use super::layers::Layers;
use crate::base::oci::{Fetched, FetchedLayer, Hashing};
use crate::digest::{Encoder, LayerId};
use crate::engine::{EngineError, NewLayer};

/// Makes the layers of an image that is on this machine, the topmost as `new`. Blocks.
///
/// # Errors
/// An archive that is damaged, or what the file system says. What was whole before that stays, and is found the next time.
pub(super) fn unpack(layers: &Layers, new: &NewLayer, image: &Fetched) -> Result<(), EngineError> {
    let failed = |error| super::failed(format!("unpacking `{}`", new.title))(error);
    let Some((top, below)) = image.layers.split_last() else {
        let nothing = layers.empty_draft().map_err(failed)?;
        return layers.publish(&nothing, new).map_err(failed);
    };
    let mut parent = None;
    for (number, layer) in below.iter().enumerate() {
        let part = NewLayer {
            id: identity(parent, layer),
            parent,
            title: format!("{}, part {}", new.title, number + 1),
        };
        if !layers.has(&part.id) {
            make(layers, &part, layer).map_err(failed)?;
        }
        parent = Some(part.id);
    }
    let top_layer = NewLayer {
        parent,
        ..new.clone()
    };
    make(layers, &top_layer, top).map_err(failed)
}

/// What a layer of an image is called here. It depends on those below, since it hides some of their files.
fn identity(parent: Option<LayerId>, layer: &FetchedLayer) -> LayerId {
    let mut encoder = Encoder::new("image-runtime image layer v1");
    if let Some(parent) = &parent {
        encoder.digest(parent);
    }
    encoder.digest(&layer.diff_id).finish()
}

fn make(layers: &Layers, new: &NewLayer, layer: &FetchedLayer) -> io::Result<()> {
    let scratch = layers.empty_draft()?;
    let root = File::open(scratch.upper())?;
    let packed = File::open(&layer.path)?;
    let mut archive = Hashing::new(files::decompress(packed)?);
    let unpacked = files::unpack(&mut archive, root.as_fd(), layers.form());
    let digest = unpacked.and_then(|()| archive.finish());
    if digest.as_ref().is_ok_and(|digest| *digest == layer.diff_id) {
        let mut new = new.clone();
        if files::hides_all_below(root.as_fd(), layers.form())? {
            new.parent = None;
        }
        return layers.publish(&scratch, &new);
    }
    // Fetched again the next time.
    fs::remove_file(&layer.path)?;
    Err(match digest {
        Err(error) => error,
        Ok(digest) => io::Error::other(format!(
            "layer {} is damaged: its files have the digest {digest}, not {}\n  help: try again; it is then fetched anew",
            layer.digest, layer.diff_id
        )),
    })
}
