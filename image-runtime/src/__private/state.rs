//! The state of a class in its container: made once, then shared by the calls that run at once.

use std::any::Any;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A place for the state of one class, empty in every process but a container of it.
///
/// A method that panicked leaves the state as it then was to those that come after it.
#[derive(Debug)]
pub struct State(OnceLock<Box<dyn Any + Send + Sync>>);

/// A type that can be the state of a class.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the state of a class: the threads of its container share it, and it is not `Send + Sync`",
    label = "cannot be shared between threads",
    note = "`Arc` stands for `Rc`, and `Mutex` or an atomic for `RefCell` and `Cell`"
)]
pub trait Shared: Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Send + Sync + 'static> Shared for T {}

impl State {
    /// Nothing yet.
    #[expect(clippy::new_without_default, reason = "it is made in statics only")]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Keeps what was made. A container makes it once.
    pub fn set<T: Shared>(&self, state: T) {
        let _ = self.0.set(Box::new(RwLock::new(state)));
    }

    /// The state, for a method that takes `&self`.
    pub fn read<T: 'static>(&self) -> RwLockReadGuard<'_, T> {
        let lock = self.lock::<T>();
        lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a method that takes `&mut self`, once no other method runs.
    pub fn write<T: 'static>(&self) -> RwLockWriteGuard<'_, T> {
        let lock = self.lock::<T>();
        lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock<T: 'static>(&self) -> &RwLock<T> {
        let state = self.0.get();
        state
            .and_then(|state| state.downcast_ref())
            .expect("a host lets a container make the state before it calls a method")
    }
}
