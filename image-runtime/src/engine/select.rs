//! Which engine is used.

use std::env;
use std::sync::Arc;

use super::docker::DockerEngine;
#[cfg(embedded)]
use super::embedded::EmbeddedEngine;
use super::{Engine, EngineError};
use crate::store::Store;

/// The variable that chooses the engine.
pub const ENGINE_VARIABLE: &str = "IMAGE_ENGINE";

/// The engines that this program has.
#[cfg(embedded)]
const ENGINES: &str = "`embedded`, `docker`";
#[cfg(not(embedded))]
const ENGINES: &str = "`docker`";

/// An engine, and why it was taken.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// For people: `IMAGE_ENGINE says so`.
    pub because: String,
}

/// The engine that `IMAGE_ENGINE` names. `auto`, or nothing, takes the embedded one where it can work, unless a daemon was
/// chosen on purpose.
///
/// # Errors
/// [`EngineError::UnknownEngine`] for a name that is none, and what opening the engine fails with.
pub async fn select(store: &Store) -> Result<Selected, EngineError> {
    let name = env::var(ENGINE_VARIABLE).unwrap_or_default();
    named(name.trim(), store).await
}

async fn named(name: &str, store: &Store) -> Result<Selected, EngineError> {
    let on_purpose = || format!("{ENGINE_VARIABLE} says so");
    match name {
        "" | "auto" => automatic(store).await,
        "docker" => docker(on_purpose()).await,
        #[cfg(embedded)]
        "embedded" => Ok(Selected {
            engine: Arc::new(EmbeddedEngine::open(store).await?),
            because: on_purpose(),
        }),
        other => Err(EngineError::UnknownEngine {
            name: other.to_owned(),
            known: ENGINES.to_owned(),
        }),
    }
}

async fn docker(because: String) -> Result<Selected, EngineError> {
    Ok(Selected {
        engine: Arc::new(DockerEngine::connect().await?),
        because,
    })
}

#[cfg(embedded)]
async fn automatic(store: &Store) -> Result<Selected, EngineError> {
    if DockerEngine::is_chosen() {
        return docker("DOCKER_HOST or a Docker context is set".to_owned()).await;
    }
    let reason = match EmbeddedEngine::open(store).await {
        Ok(engine) => {
            return Ok(Selected {
                engine: Arc::new(engine),
                because: "this machine can run containers without a daemon".to_owned(),
            });
        }
        Err(error) => error,
    };
    docker(reason.to_string())
        .await
        .map_err(|error| match error {
            EngineError::Unreachable {
                engine,
                address,
                reason: unreachable,
                help,
            } => EngineError::Unreachable {
                engine,
                address,
                reason: unreachable,
                help: format!("{help}\n  {}", reason.to_string().replace('\n', "\n  ")),
            },
            other => other,
        })
}

#[cfg(not(embedded))]
async fn automatic(_: &Store) -> Result<Selected, EngineError> {
    docker("this program has no other".to_owned()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_no_engine_is_an_error_that_names_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        for name in ["swarm", "dokcer"] {
            let error = named(name, &store).await.unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
            assert!(
                error.contains("`docker`") && error.contains("`auto`"),
                "{error}"
            );
        }
    }
}
