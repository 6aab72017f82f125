//! Which engine is used.

use std::env;
use std::sync::Arc;

use super::docker::DockerEngine;
use super::{Engine, EngineError};

/// The variable that chooses the engine.
pub const ENGINE_VARIABLE: &str = "IMAGE_ENGINE";

/// The engines there are.
const ENGINES: [&str; 1] = ["docker"];

/// The engine that `IMAGE_ENGINE` names; `auto`, or nothing, takes what this machine has.
///
/// # Errors
/// [`EngineError::UnknownEngine`] for a name that is none, and what connecting fails with.
pub async fn select() -> Result<Arc<dyn Engine>, EngineError> {
    let name = env::var(ENGINE_VARIABLE).unwrap_or_default();
    named(name.trim()).await
}

async fn named(name: &str) -> Result<Arc<dyn Engine>, EngineError> {
    match name {
        "" | "auto" | "docker" => Ok(Arc::new(DockerEngine::connect().await?)),
        other => Err(EngineError::UnknownEngine {
            name: other.to_owned(),
            known: ENGINES.map(|name| format!("`{name}`")).join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_is_no_engine_is_an_error_that_names_those_there_are() {
        for name in ["embedded", "swarm", "dokcer"] {
            let error = named(name).await.unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
            assert!(
                error.contains("`docker`") && error.contains("`auto`"),
                "{error}"
            );
        }
    }
}
