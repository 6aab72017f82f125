//! The end of this program: where it ends by itself (`main` returns, `exit` is called), idle containers of classes may do what these do at
//! their end.

use std::sync::{Arc, Condvar, Mutex, Once, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::future::runtime;
use super::Pool;
use super::enter::EXIT_LIMIT;

/// How long a worker that has just answered its last call may take to be idle.
const SETTLE: Duration = Duration::from_millis(100);

/// The pools that have something to do, and the conversation of this program's last thread with them.
struct Farewell {
    pools: Mutex<Vec<Weak<Pool>>>,
    begins: Notify,
    is_done: Mutex<bool>,
    done: Condvar,
}

static FAREWELL: Farewell = Farewell {
    pools: Mutex::new(Vec::new()),
    begins: Notify::const_new(),
    is_done: Mutex::new(false),
    done: Condvar::new(),
};

impl Pool {
    /// Has the containers of this pool ended in good order when this program ends.
    pub(super) fn say_farewell_at_the_end(self: &Arc<Self>) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            #[expect(unsafe_code, reason = "std calls nobody when a program ends")]
            // SAFETY: the function lives as long as the program, unwinds nowhere, and waits for a limited time.
            unsafe {
                libc::atexit(at_exit);
            }
            runtime().spawn(farewell());
        });
        let mut pools = FAREWELL
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(self));
    }

    /// Ends all idle containers, and waits for that.
    async fn close(self: Arc<Self>) {
        let begun = Instant::now();
        loop {
            {
                let mut state = self.lock();
                state.is_closing = true;
                for (worker, _) in std::mem::take(&mut state.idle) {
                    self.dismiss(&mut state, worker);
                }
                let settled = state.lanes.len() + state.direct == 0 || begun.elapsed() > SETTLE;
                if settled && state.ending == 0 {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Runs last in the thread that ends this program. Its thread-local values are gone, so others do the work.
extern "C" fn at_exit() {
    FAREWELL.begins.notify_one();
    let is_done = FAREWELL
        .is_done
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let limit = EXIT_LIMIT + Duration::from_secs(1);
    let _ = FAREWELL
        .done
        .wait_timeout_while(is_done, limit, |is_done| !*is_done);
}

async fn farewell() {
    FAREWELL.begins.notified().await;
    let pools = std::mem::take(
        &mut *FAREWELL
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    let closing = pools.iter().filter_map(Weak::upgrade).map(Pool::close);
    futures_util::future::join_all(closing).await;
    *FAREWELL
        .is_done
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = true;
    FAREWELL.done.notify_all();
}
