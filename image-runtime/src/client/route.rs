//! The way of a function's calls: to a pool of this process; to its supervisor; or out of the container that it runs in.

use std::sync::Arc;

use super::inbox::Receiver;
use super::job::{Job, Target, Wanting, Wishes};
use super::outside::{Outside, Wanted};
use super::pool::Pool;
use super::{CallError, Callee, Host, supervisor};
use crate::worker;

/// Calls a function with encoded arguments; answers its encoded result.
pub(crate) async fn call(callee: &Callee, arguments: Vec<u8>) -> Result<Vec<u8>, CallError> {
    let route = Route::find(callee, Wishes::default()).await?;
    route.call(arguments).await
}

/// A function, ready to be called.
#[derive(Clone, Debug)]
pub(super) enum Route {
    Pool(Arc<Target>),
    Outside(Arc<Wanted>),
}

impl Route {
    /// Makes a function ready to be called.
    pub(super) async fn find(callee: &Callee, wishes: Wishes) -> Result<Self, CallError> {
        if worker::is_serving() {
            let host = Outside::get(callee.function)?;
            return Ok(Self::Outside(Arc::new(host.want(callee, &wishes).await?)));
        }
        while let Some(supervisor) = supervisor::find(callee.function).await? {
            match supervisor.want(callee, &wishes).await {
                Ok(wanted) => return Ok(Self::Outside(Arc::new(wanted))),
                // It has ended since it was found.
                Err(_) if supervisor.is_broken() => {}
                Err(error) => return Err(error),
            }
        }
        let target = Host::get().await?.target(callee, wishes).await?;
        Ok(Self::Pool(target))
    }

    /// Makes a call, and waits for its encoded result.
    pub(super) async fn call(self, arguments: Vec<u8>) -> Result<Vec<u8>, CallError> {
        match self {
            Self::Pool(target) => target.call(arguments).await,
            Self::Outside(wanted) => {
                let receiver = Receiver::default();
                wanted.submit(Wanting::alone(arguments, &receiver, false));
                receiver.end(|| wanted.look_up()).await
            }
        }
    }

    /// Makes a call whose answers arrive with a number.
    pub(super) fn submit(&self, call: Wanting) {
        match self {
            Self::Pool(target) => Pool::submit(Job::new(target, call)),
            Self::Outside(wanted) => wanted.submit(call),
        }
    }

    /// Lets those that make the calls see what their callers want now.
    pub(super) fn look_up(&self) {
        match self {
            Self::Pool(target) => target.pool.look_up(),
            Self::Outside(wanted) => wanted.look_up(),
        }
    }

    /// Somebody waits for a call that was made to run in the background.
    pub(super) fn is_awaited(&self) {
        if let Self::Outside(wanted) = self {
            wanted.is_awaited();
        }
    }

    /// How many calls can run at once.
    pub(super) fn places(&self) -> usize {
        match self {
            Self::Pool(target) => target.pool.places(),
            Self::Outside(wanted) => wanted.room().places,
        }
    }

    /// How many inputs of a map are read before the first answers are taken.
    pub(super) fn inputs_ahead(&self) -> usize {
        match self {
            Self::Pool(target) => target.pool.inputs_ahead(),
            Self::Outside(wanted) => wanted.room().ahead,
        }
    }
}
