//! Makes layers of files: the first by an import, later ones by loading them (`load.rs`) or in a container that never runs.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::models::{
    ContainerConfig, ContainerCreateBody, CreateImageInfo, HostConfig, ImageConfig, ImageInspect,
};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ContainerArchiveInfoOptionsBuilder, CreateImageOptionsBuilder,
    RemoveImageOptions, UploadToContainerOptionsBuilder,
};
use futures_util::{Stream, TryStreamExt as _};

use super::Daemon;
use super::archive::{as_it_says, pack};
use super::error::optional;
use super::guard::{Guard, marks};
use super::layer::{REPOSITORY, labels};
use super::place::{Found, over};
use crate::digest::LayerId;
use crate::engine::{EngineError, FileSource, Lacking, NewLayer};

/// What is done before files can be put into a layer, for errors.
const IDLE: &str = "making a container for a layer";

/// The directory and link bits of a mode as the daemon tells it.
const DIRECTORY: u32 = 1 << 31;
const LINK: u32 = 1 << 27;

impl Daemon {
    pub(super) async fn add_files(
        self: &Arc<Self>,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        let before = self.find_layer(&new.id).await?;
        match new.parent {
            None => self.import(new, files).await?,
            Some(parent) => {
                let doing = || format!("putting files into `{}`", new.title);
                let missing = || Lacking::missing(parent).while_doing(doing());
                let image = self.find_layer(&parent).await?.ok_or_else(missing)?;
                self.put_over(&image, parent, new, files).await?;
            }
        }
        self.drop_replaced(before, new).await
    }

    async fn import(&self, new: &NewLayer, files: Box<dyn FileSource>) -> Result<(), EngineError> {
        let changes = labels(new)
            .into_iter()
            .map(|(name, value)| label_instruction(&name, &value));
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            // Podman reads no tag beside the name of an import; both read one in the name.
            .repo(&format!("{REPOSITORY}:{}", new.id))
            .changes(changes.collect())
            .build();
        let (archive, packing) = pack(files, as_it_says());
        let body = bollard::body_try_stream(archive);
        let answer = drain(self.docker.create_image(Some(options), Some(body), None)).await;
        packing
            .finish(answer.map_err(self.failed("storing the files of a layer")))
            .await
    }

    /// Makes a layer of an image and files over it.
    async fn put_over(
        self: &Arc<Self>,
        image: &ImageInspect,
        parent: LayerId,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        let container = || self.idle_container(image, &new.title);
        let view = container().await.map_err(self.failed_on(parent, IDLE))?;
        let made = async {
            match self.entries_apart(files.entries(), view.name()).await? {
                Some(entries) => self.load(image, new, files, entries).await,
                None => {
                    // Another one, because a daemon looks at no files of a container that is being written to.
                    let target = container().await.map_err(self.failed_on(parent, IDLE))?;
                    let made = self.fill(&target, &view, image, new, files).await;
                    // Waited for in any case: a process that ends with the error would leave it.
                    let removed = target.remove().await;
                    made.and(removed)
                }
            }
        };
        let made = made.await;
        let removed = view.remove().await;
        made.and(removed)
    }

    /// Makes a layer of a container of an image that files are put into. The view shows what the image holds.
    async fn fill(
        self: &Arc<Self>,
        target: &Guard,
        view: &Guard,
        image: &ImageInspect,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        let (daemon, seen) = (Arc::clone(self), view.name().to_owned());
        let runtime = tokio::runtime::Handle::current();
        let place = over(move |path| runtime.block_on(daemon.look(&seen, path)));
        let (archive, packing) = pack(files, place);
        let options = UploadToContainerOptionsBuilder::new()
            .path("/")
            .no_overwrite_dir_non_dir("true")
            .build();
        let body = bollard::body_try_stream(archive);
        let answer = self
            .docker
            .upload_to_container(target.name(), Some(options), body)
            .await;
        let answer = answer.map_err(self.failed("putting files into a layer"));
        packing.finish(answer).await?;
        self.commit(target.name(), image, new).await
    }

    /// Makes a layer of an image alone: it then has our labels.
    pub(super) async fn adopt(
        self: &Arc<Self>,
        image: &ImageInspect,
        new: &NewLayer,
    ) -> Result<(), EngineError> {
        let container = self.idle_container(image, &new.title).await;
        let container = container.map_err(self.failed(IDLE))?;
        let saved = self.save(container.name(), image, new).await;
        let removed = container.remove().await;
        saved.and(removed)
    }

    /// Makes a layer of what a container of `image` has written.
    pub(super) async fn save(
        &self,
        container: &str,
        image: &ImageInspect,
        new: &NewLayer,
    ) -> Result<(), EngineError> {
        let before = self.find_layer(&new.id).await?;
        self.commit(container, image, new).await?;
        self.drop_replaced(before, new).await
    }

    async fn commit(
        &self,
        container: &str,
        image: &ImageInspect,
        new: &NewLayer,
    ) -> Result<(), EngineError> {
        let options = CommitContainerOptionsBuilder::new()
            .container(container)
            .repo(REPOSITORY)
            .tag(&new.id.to_string())
            .comment(&new.title)
            .pause(false)
            .build();
        let config = kept_config(image.config.clone().unwrap_or_default(), labels(new));
        self.docker
            .commit_container(options, config)
            .await
            .map(|_| ())
            .map_err(self.failed("saving a layer"))
    }

    /// Removes the image that was the layer until now. Where it is in use it goes with its last user.
    async fn drop_replaced(
        &self,
        before: Option<ImageInspect>,
        new: &NewLayer,
    ) -> Result<(), EngineError> {
        let Some(before) = before.and_then(|image| image.id) else {
            return Ok(());
        };
        let now = self.find_layer(&new.id).await?.and_then(|image| image.id);
        if now.is_some_and(|now| now != before) {
            let _ = self
                .docker
                .remove_image(&before, None::<RemoveImageOptions>, None)
                .await;
        }
        Ok(())
    }

    /// A container that is never started.
    async fn idle_container(
        self: &Arc<Self>,
        image: &ImageInspect,
        title: &str,
    ) -> Result<Guard, Error> {
        let body = ContainerCreateBody {
            image: image.id.clone(),
            // Some command must stand there.
            entrypoint: Some(vec!["-".to_owned()]),
            labels: Some(marks(&format!("build {title}"))),
            host_config: Some(HostConfig {
                // It never ends, but a daemon that is started again removes it.
                auto_remove: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        Guard::create(self, "build", body).await
    }

    /// What is at a path of a container.
    pub(super) async fn look(&self, container: &str, path: &Path) -> io::Result<Found> {
        let path = format!("/{}", path.display());
        let options = ContainerArchiveInfoOptionsBuilder::new()
            .path(&path)
            .build();
        let stat = optional(
            self.docker
                .get_container_archive_info(container, Some(options))
                .await,
        )
        .map_err(self.failed(format!("looking at `{path}`")))
        .map_err(io::Error::other)?;
        Ok(match stat {
            None => Found::Nothing,
            Some(stat) if stat.file_mode & DIRECTORY != 0 => Found::Directory,
            Some(stat) if stat.file_mode & LINK != 0 => Found::Link(stat.link_target),
            Some(_) => Found::File,
        })
    }
}

/// What the image of a layer says of itself: what the image below said. What is empty here a daemon fills in from the
/// container, so the user is spelled out.
fn kept_config(below: ImageConfig, labels: HashMap<String, String>) -> ContainerConfig {
    let filled = |text: Option<String>, otherwise: &str| {
        text.filter(|text| !text.is_empty())
            .or_else(|| Some(otherwise.to_owned()))
    };
    ContainerConfig {
        user: filled(below.user, "0"),
        working_dir: filled(below.working_dir, "/"),
        env: below.env,
        entrypoint: below.entrypoint.or_else(|| Some(Vec::new())),
        cmd: below.cmd,
        healthcheck: below.healthcheck,
        labels: Some(labels),
        ..ContainerConfig::default()
    }
}

/// A `LABEL` instruction, in which a daemon expands variables unless they are escaped.
fn label_instruction(name: &str, value: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        match c {
            '\\' | '"' | '$' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    format!("LABEL {name}=\"{escaped}\"")
}

/// Reads progress to its end: errors come in it.
async fn drain(progress: impl Stream<Item = Result<CreateImageInfo, Error>>) -> Result<(), Error> {
    progress.try_for_each(|_| async { Ok(()) }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_stand_in_label_instructions_as_they_are() {
        let instruction = label_instruction("a", "say \"$HOME\"\nand \\");
        assert_eq!(instruction, r#"LABEL a="say \"\$HOME\" and \\""#);
    }
}
