//! What functions print in a supervisor's containers goes to those whose calls run there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::super::gateway::Answers;
use super::super::inbox::Inbox;
use crate::event::{Event, Events};
use crate::protocol::Kind;

/// All processes that are served.
static LISTENERS: Mutex<Vec<Weak<Listener>>> = Mutex::new(Vec::new());

/// A process that hears what its calls print.
#[derive(Debug)]
pub(in super::super) struct Listener {
    answers: Answers,
    calls: Mutex<HashMap<u64, Arc<Inbox>>>,
}

impl Listener {
    pub(in super::super) fn new(answers: Answers) -> Arc<Self> {
        let listener = Arc::new(Self {
            answers,
            calls: Mutex::default(),
        });
        let mut listeners = lock(&LISTENERS);
        listeners.retain(|other| other.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        listener
    }

    /// A call of it begins.
    pub(in super::super) fn add(&self, id: u64, inbox: Arc<Inbox>) {
        lock(&self.calls).insert(id, inbox);
    }

    /// A call of it has ended.
    pub(in super::super) fn remove(&self, id: u64) {
        lock(&self.calls).remove(&id);
    }

    fn hear(&self, function: &str, container: &str, line: &str) {
        let is_here = |inbox: &Arc<Inbox>| inbox.is_made_in(container);
        if lock(&self.calls).values().any(is_here) {
            let body = [function, container, line].join("\0");
            self.answers.send(Kind::Printed, 0, body.as_bytes());
        }
    }
}

/// How long a process that is served may take to hear that no more is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tells all processes that are served who ends this one, and waits until they have heard it: what they have under way is cancelled, and
/// not lost.
pub(in super::super) async fn dismiss_all(by: &str) {
    let listeners = lock(&LISTENERS).clone();
    for listener in listeners.iter().filter_map(Weak::upgrade) {
        listener.answers.send(Kind::Leave, 0, by.as_bytes());
    }
    let begun = Instant::now();
    // They hang up.
    while listeners.iter().any(|there| there.strong_count() > 0) && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Events that are told to those who are served, too, as far as they concern them.
pub(crate) fn with_listeners(events: Events) -> Events {
    Events::new(move |event| {
        if let Event::FunctionOutput {
            function,
            container,
            line,
        } = &event
        {
            let listeners: Vec<_> = lock(&LISTENERS).iter().filter_map(Weak::upgrade).collect();
            for listener in listeners {
                listener.hear(function, container, line);
            }
        }
        events.tell(event);
    })
}

/// No holder of these locks can panic half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
