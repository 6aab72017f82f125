//! Which pool a function's calls go to, for as long as what that depends on stays as it was.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::{Callee, Pool, Size};
use crate::build::Built;
use crate::engine::Mount;
use crate::secrets::Values;

/// What the containers of a function depend on, beyond what is written in the program. It is looked up for each call.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Found {
    pub(in super::super) built: Arc<Built>,
    pub(in super::super) secrets: Values,
    pub(in super::super) volumes: Vec<Mount>,
    pub(in super::super) size: Size,
}

/// The pools that calls went to, by what was called.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Callee, (Found, Weak<Pool>)>);

impl Known {
    /// The pool, if it is there and nothing is different now.
    pub(super) fn get(&self, callee: &Callee, found: &Found) -> Option<Arc<Pool>> {
        let (then, pool) = self.0.get(callee)?;
        pool.upgrade().filter(|_| then == found)
    }

    pub(super) fn put(&mut self, callee: &Callee, found: Found, pool: &Arc<Pool>) {
        // Of pools that are gone, nothing has to be known.
        self.0.retain(|_, (_, pool)| pool.strong_count() > 0);
        self.0.insert(callee.clone(), (found, Arc::downgrade(pool)));
    }
}
