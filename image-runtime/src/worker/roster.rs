//! The containers of this process, for those who ask from outside: what each is for, what it does, and a way to end it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::error::Stop;
use crate::digest::LayerId;
use crate::engine::{Container, EngineError, Limits};

/// All containers of this process.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: Mutex<Members>,
    listed: Notify,
}

#[derive(Debug, Default)]
struct Members {
    all: BTreeMap<u64, Arc<Member>>,
    last: u64,
}

/// A container.
#[derive(Debug)]
pub(crate) struct Member {
    container: Arc<dyn Container>,
    pub(crate) layer: LayerId,
    pub(crate) limits: Limits,
    /// What it was started for.
    pub(crate) purpose: String,
    /// When it was started.
    pub(crate) since: SystemTime,
    doing: Mutex<Doing>,
    stop: OnceLock<Stop>,
}

/// What a container does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Doing {
    /// The function that it serves, or served last.
    pub(crate) function: Option<&'static str>,
    /// Whether it waits for calls.
    pub(crate) is_idle: bool,
}

/// A container that is listed for as long as this value lives.
#[derive(Debug)]
pub(super) struct Listed {
    roster: Arc<Roster>,
    number: u64,
    member: Arc<Member>,
}

impl Roster {
    pub(super) fn list(self: &Arc<Self>, member: Member) -> Listed {
        let member = Arc::new(member);
        let mut members = self.lock();
        members.last += 1;
        let number = members.last;
        members.all.insert(number, Arc::clone(&member));
        drop(members);
        self.listed.notify_one();
        Listed {
            roster: Arc::clone(self),
            number,
            member,
        }
    }

    /// The containers that there are now, oldest first.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.lock().all.values().cloned().collect()
    }

    /// Waits for the first container.
    pub(crate) async fn has_begun(&self) {
        self.listed.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.roster.lock().all.remove(&self.number);
    }
}

impl Member {
    pub(super) fn new(
        container: Arc<dyn Container>,
        layer: LayerId,
        limits: Limits,
        purpose: String,
    ) -> Self {
        Self {
            container,
            layer,
            limits,
            purpose,
            since: SystemTime::now(),
            doing: Mutex::default(),
            stop: OnceLock::new(),
        }
    }

    pub(super) fn container(&self) -> &Arc<dyn Container> {
        &self.container
    }

    /// A name of the container for people.
    pub(crate) fn name(&self) -> &str {
        self.container.name()
    }

    /// Notes that it serves a function now.
    pub(crate) fn serves(&self, function: &'static str) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = Doing {
            function: Some(function),
            is_idle: false,
        };
    }

    /// Notes that it waits for calls now.
    pub(crate) fn rests(&self) {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        doing.is_idle = true;
    }

    pub(crate) fn doing(&self) -> Doing {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has ended it on purpose.
    pub(super) fn stop(&self) -> Option<&Stop> {
        self.stop.get()
    }

    /// Ends it. What runs in it fails, and says who did that.
    pub(crate) async fn end(&self, stop: Stop) -> Result<(), EngineError> {
        // The first to say so is the one who did it.
        let _ = self.stop.set(stop);
        self.container.remove().await
    }
}

/// What tells a container apart: names begin with what all of ours have in common.
pub(crate) fn short_name(container: &str) -> &str {
    container.rsplit('-').next().unwrap_or(container)
}
