//! Layers are images: the tag `image-runtime/layer:<identity>` is what makes one exist, and the daemon sets it only
//! when the image is whole.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptions};

use super::error::{is_missing, optional, status};
use super::{Daemon, LAYER_LABEL, OWNER_LABEL, PARENT_LABEL, PURPOSE_LABEL, TITLE_LABEL};
use crate::digest::LayerId;
use crate::engine::{EngineError, LayerInfo, NewLayer};

/// The repository of all layers.
pub(super) const REPOSITORY: &str = "image-runtime/layer";

/// The image that is a layer.
pub(super) fn image_of(layer: &LayerId) -> String {
    format!("{REPOSITORY}:{layer}")
}

/// The layer that a tag makes exist. Podman puts a registry before the name.
fn layer_of(tag: &str) -> Option<LayerId> {
    let (before, identity) = tag.split_once("image-runtime/layer:")?;
    (before.is_empty() || before.ends_with('/'))
        .then(|| identity.parse().ok())
        .flatten()
}

/// The labels of a layer. A daemon copies a container's labels into the image that is made of it: the empty ones
/// are those that must not stay.
pub(super) fn labels(new: &NewLayer) -> HashMap<String, String> {
    let parent = new
        .parent
        .map(|parent| parent.to_string())
        .unwrap_or_default();
    [
        (LAYER_LABEL, new.id.to_string()),
        (TITLE_LABEL, new.title.clone()),
        (PARENT_LABEL, parent),
        (OWNER_LABEL, String::new()),
        (PURPOSE_LABEL, String::new()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl Daemon {
    pub(super) async fn find_layer(
        &self,
        layer: &LayerId,
    ) -> Result<Option<ImageInspect>, EngineError> {
        optional(self.docker.inspect_image(&image_of(layer)).await)
            .map_err(self.failed("looking for a layer"))
    }

    pub(super) async fn list_layers(&self) -> Result<Vec<LayerInfo>, EngineError> {
        let images = self.layer_images("reference", REPOSITORY).await?;
        Ok(images.iter().flat_map(layers_of).collect())
    }

    pub(super) async fn delete_layer(&self, layer: &LayerId) -> Result<(), EngineError> {
        let in_use = || EngineError::InUse {
            layer: layer.short(),
        };
        let children = self
            .layer_images("label", &format!("{PARENT_LABEL}={layer}"))
            .await?;
        if children.iter().flat_map(layers_of).next().is_some() {
            return Err(in_use());
        }
        let options = None::<RemoveImageOptions>;
        match self
            .docker
            .remove_image(&image_of(layer), options, None)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) if status(&error) == Some(409) => Err(in_use()),
            Err(error) => Err(self.failed("removing a layer")(error)),
        }
    }

    async fn layer_images(&self, by: &str, value: &str) -> Result<Vec<ImageSummary>, EngineError> {
        let filters = HashMap::from([(by.to_owned(), vec![value.to_owned()])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        self.docker
            .list_images(Some(options))
            .await
            .map_err(self.failed("listing the layers"))
    }
}

fn layers_of(image: &ImageSummary) -> impl Iterator<Item = LayerInfo> {
    image
        .repo_tags
        .iter()
        .filter_map(|tag| layer_of(tag))
        .map(|id| LayerInfo {
            id,
            parent: image
                .labels
                .get(PARENT_LABEL)
                .and_then(|parent| parent.parse().ok()),
            title: image.labels.get(TITLE_LABEL).cloned().unwrap_or_default(),
            created: SystemTime::UNIX_EPOCH + Duration::from_secs(image.created.max(0) as u64),
            size: image.size.max(0) as u64,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn only_our_tags_are_layers() {
        let layer = Digest::of(b"x");
        assert_eq!(layer_of(&image_of(&layer)), Some(layer));
        assert_eq!(
            layer_of(&format!("docker.io/{}", image_of(&layer))),
            Some(layer)
        );
        assert_eq!(layer_of(&format!("my-{}", image_of(&layer))), None);
        assert_eq!(layer_of("image-runtime/layer:latest"), None);
        assert_eq!(layer_of("debian:bookworm"), None);
    }
}
