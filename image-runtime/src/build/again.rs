//! Images that another program takes away after they were built: whoever starts a container of one has it made once more.

use std::sync::Arc;

use super::make::MOST_LOST;
use super::{BuildError, Builder};
use crate::digest::LayerId;
use crate::engine::EngineError;
use crate::event::Event;
use crate::worker::{StartError, Worker, WorkerSpec};

/// Why there is no container of an image that was built.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// It could not be started.
    Start(StartError),
    /// What another program took away could not be made again.
    Build(Arc<BuildError>),
}

impl Builder {
    /// Starts a worker in a container of an image that this process has built.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub(crate) async fn start(&self, spec: WorkerSpec) -> Result<Worker, NotStarted> {
        let mut lost = 0;
        loop {
            let error = match self.launcher.start(spec.clone()).await {
                Ok(worker) => return Ok(worker),
                Err(error) => error,
            };
            lost += 1;
            let is_lost = matches!(error, StartError::Engine(EngineError::NoLayer { .. }));
            if lost == MOST_LOST || !is_lost {
                return Err(NotStarted::Start(error));
            }
            let made = Box::pin(self.make_again(&spec.layer)).await;
            if !made.map_err(NotStarted::Build)? {
                return Err(NotStarted::Start(error));
            }
        }
    }

    /// Makes an image again by its topmost layer, unless that is there. Answers whether it is now.
    async fn make_again(&self, layer: &LayerId) -> Result<bool, Arc<BuildError>> {
        let shared = |error| Arc::new(BuildError::Engine(error));
        // Several containers may be about to start: the first has it made, the others find it.
        let _one = self.again.lock().await;
        if self.engine.has_layer(layer).await.map_err(shared)? {
            return Ok(true);
        }
        let images = self.images.keys_where(|built| built.layer == *layer);
        let Some(image) = images.into_iter().next() else {
            return Ok(false);
        };
        self.events.tell(Event::Notice {
            text: format!(
                "another program made anew or removed layers of {}: they are made once more",
                self.names.name(image)
            ),
        });
        self.forget_made(&self.prepare(image).await?);
        self.images.forget(&image);
        // Local files may have changed meanwhile, and with them the image.
        Ok(self.build(image).await?.layer == *layer)
    }
}
