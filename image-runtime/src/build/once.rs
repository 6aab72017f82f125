//! Work that is done once a key, however many ask for it at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::BuildError;

/// Results by key. A success stays; a failure is told to all who were waiting for that attempt, and then tried anew.
#[derive(Debug)]
pub(super) struct Once<K, V>(Mutex<HashMap<K, Arc<Cell<V>>>>);

#[derive(Debug)]
struct Cell<V> {
    failures: AtomicUsize,
    outcome: tokio::sync::Mutex<Option<Result<V, Arc<BuildError>>>>,
}

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Once<K, V> {
    /// The value of a key; `make` is awaited only if it is not there yet.
    pub(super) async fn get(
        &self,
        key: K,
        make: impl Future<Output = Result<V, BuildError>>,
    ) -> Result<V, Arc<BuildError>> {
        let cell = self.cell(key);
        let failures = cell.failures.load(Ordering::Acquire);
        let mut outcome = cell.outcome.lock().await;
        match &*outcome {
            Some(Ok(value)) => return Ok(value.clone()),
            Some(Err(error)) if cell.failures.load(Ordering::Acquire) > failures => {
                return Err(Arc::clone(error));
            }
            Some(Err(_)) | None => {}
        }
        let made = make.await.map_err(Arc::new);
        if made.is_err() {
            cell.failures.fetch_add(1, Ordering::Release);
        }
        *outcome = Some(made.clone());
        made
    }

    /// The keys with such a value, of those that nobody works on.
    pub(super) fn keys_where(&self, is_meant: impl Fn(&V) -> bool) -> Vec<K>
    where
        K: Clone,
    {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |cell: &Cell<V>| {
            let outcome = cell.outcome.try_lock();
            outcome.is_ok_and(|outcome| matches!(&*outcome, Some(Ok(value)) if is_meant(value)))
        };
        let found = cells.iter().filter(|(_, cell)| has(cell));
        found.map(|(key, _)| key.clone()).collect()
    }

    /// Lets the value of a key be made again by the next who asks.
    pub(super) fn forget(&self, key: &K) {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.remove(key);
    }

    /// Sets the value of a key.
    pub(super) async fn put(&self, key: K, value: V) {
        *self.cell(key).outcome.lock().await = Some(Ok(value));
    }

    fn cell(&self, key: K) -> Arc<Cell<V>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_insert_with(|| {
            Arc::new(Cell {
                failures: AtomicUsize::new(0),
                outcome: tokio::sync::Mutex::new(None),
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn failure() -> BuildError {
        BuildError::Files {
            place: crate::spec::Place {
                file: "",
                line: 1,
                column: 1,
                module: "",
                manifest_dir: "",
            },
            verb: "copy_local_file",
            source: Box::new(crate::context::ContextError::Missing {
                path: "/gone".into(),
            }),
        }
    }

    #[tokio::test]
    async fn a_value_is_made_once_for_all_who_ask() {
        let made = AtomicUsize::new(0);
        let once = Once::<u8, u8>::default();
        let ask = || {
            once.get(1, async {
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed);
                Ok(7)
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(
            (first.unwrap(), second.unwrap(), made.into_inner()),
            (7, 7, 1)
        );
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_those_who_waited_and_tried_again_by_the_next() {
        let tried = AtomicUsize::new(0);
        let once = Once::<u8, u8>::default();
        let ask = || {
            once.get(1, async {
                tokio::task::yield_now().await;
                tried.fetch_add(1, Ordering::Relaxed);
                Err(failure())
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert!(first.is_err() && second.is_err());
        assert_eq!(tried.load(Ordering::Relaxed), 1);
        assert!(ask().await.is_err());
        assert_eq!(tried.load(Ordering::Relaxed), 2);
    }
}
