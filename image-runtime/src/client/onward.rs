//! Calls whose supervisor has ended go on where the next call of their function would go: to another supervisor, or to a pool of this process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tracing::warn;

use super::Callee;
use super::future::runtime;
use super::inbox::Delivery;
use super::job::{Wanting, Wishes};
use super::route::Route;
use crate::registry::Program;
use crate::spec::Retries;

/// Where calls of a function go next.
#[derive(Debug)]
pub(super) struct Onward {
    callee: Callee,
    wishes: Wishes,
    /// After how long.
    delay: Duration,
    /// Found for the first of them.
    route: OnceCell<Route>,
}

impl Onward {
    /// For calls that nobody has begun.
    pub(super) fn as_they_are(callee: &Callee, wishes: &Wishes) -> Arc<Self> {
        Arc::new(Self {
            callee: callee.clone(),
            wishes: *wishes,
            delay: Duration::ZERO,
            route: OnceCell::new(),
        })
    }

    /// For calls that may have been begun, with one try less; nothing where they are not to be made again.
    pub(super) fn again(callee: &Callee, wishes: &Wishes) -> Option<Arc<Self>> {
        let options = Program::get().ok()?.options_of(callee.function);
        let retries = wishes.retries.map(Retries::times).or(options.retries)?;
        let left = retries.max.checked_sub(1)?;
        let wishes = Wishes {
            retries: Some(left),
            ..*wishes
        };
        Some(Arc::new(Self {
            callee: callee.clone(),
            wishes,
            delay: retries.delay(0),
            route: OnceCell::new(),
        }))
    }

    /// Makes a call there.
    pub(super) fn make(self: Arc<Self>, call: Wanting) {
        runtime().spawn(async move {
            tokio::time::sleep(self.delay).await;
            if call.inbox.is_closed() {
                return;
            }
            warn!(
                function = self.callee.function.name,
                "made elsewhere: the supervisor has ended"
            );
            let find = || Route::find(&self.callee, self.wishes);
            match self.route.get_or_try_init(find).await {
                Ok(route) => route.submit(call),
                Err(error) => call.inbox.put(call.number, Delivery::End(Err(error))),
            }
        });
    }

    /// The way, once one was found.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.get()
    }
}
