//! What a process that has ended left at its daemon, which may be about to make it, or be started again just then.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::DockerEngine;
use crate::engine::EngineError;

/// How long a daemon may take to be there again.
const BACK: Duration = Duration::from_secs(60);

/// How long after its first answer it may make what a process had asked for.
const LATE: Duration = Duration::from_secs(8);

/// How long one look at it may take.
const LOOK: Duration = Duration::from_secs(30);

const AGAIN: Duration = Duration::from_millis(200);

/// Removes the containers of processes that have ended, until those are among them that the last one, `owner`, was about to make.
pub(in crate::engine) async fn sweep_left(owner: &str, mut unfinished: usize) {
    let begin = Instant::now();
    let mut answered = None;
    loop {
        if let Ok(Ok(removed)) = timeout(LOOK, look(owner)).await {
            unfinished = unfinished.saturating_sub(removed);
            if unfinished == 0 {
                return;
            }
            answered.get_or_insert_with(Instant::now);
        }
        let is_over = match answered {
            Some(answered) => answered.elapsed() > LATE,
            None => begin.elapsed() > BACK,
        };
        if is_over {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// Answers how many of `owner` never ran: those that did remove themselves.
async fn look(owner: &str) -> Result<usize, EngineError> {
    let DockerEngine(daemon) = DockerEngine::connect().await?;
    let never_ran = daemon.count_created(owner).await?;
    daemon.sweep_containers().await?;
    Ok(never_ran)
}
