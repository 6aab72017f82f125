//! Calls whose supervisor has ended go on where the next call of their function would go: to another supervisor, or to a pool of this process.

use std::sync::Arc;

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
    /// Of calls that may have been begun.
    retries: Option<Retries>,
    /// For calls that nobody has begun, once one of them went on.
    unbegun: OnceCell<Route>,
    /// For those that may have been, with one try less.
    begun: OnceCell<Route>,
}

impl Onward {
    pub(super) fn new(callee: &Callee, wishes: &Wishes) -> Self {
        let options = Program::get().map(|program| program.options_of(callee.function));
        let retries = options.ok().and_then(|options| options.retries);
        Self {
            callee: callee.clone(),
            wishes: *wishes,
            retries: wishes.retries.or(retries),
            unbegun: OnceCell::new(),
            begun: OnceCell::new(),
        }
    }

    /// Whether calls that may have been begun go on.
    pub(super) fn begins_again(&self) -> bool {
        self.retries.is_some_and(|retries| retries.max > 0)
    }

    /// Makes a call that nobody has begun.
    pub(super) fn make(self: &Arc<Self>, call: Wanting) {
        let this = Arc::clone(self);
        runtime().spawn(async move { this.submit(call, &this.unbegun, this.wishes).await });
    }

    /// Makes a call that may have been begun once more.
    pub(super) fn make_again(self: &Arc<Self>, call: Wanting) {
        let this = Arc::clone(self);
        runtime().spawn(async move {
            let Some(retries) = this.retries else { return };
            tokio::time::sleep(retries.delay(0)).await;
            let wishes = Wishes {
                retries: Some(Retries {
                    max: retries.max.saturating_sub(1),
                    ..retries
                }),
                ..this.wishes
            };
            this.submit(call, &this.begun, wishes).await;
        });
    }

    async fn submit(&self, call: Wanting, route: &OnceCell<Route>, wishes: Wishes) {
        if call.inbox.is_closed() {
            return;
        }
        let function = self.callee.function.name;
        warn!(function, "made elsewhere: the supervisor has ended");
        match route
            .get_or_try_init(|| Route::find(&self.callee, wishes))
            .await
        {
            Ok(route) => route.submit(call),
            Err(error) => call.inbox.put(call.number, Delivery::End(Err(error))),
        }
    }

    /// The ways that were found.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        [&self.unbegun, &self.begun]
            .into_iter()
            .filter_map(OnceCell::get)
    }
}
