//! The state of a class: made in each of its containers before the first call, and ended before the container ends.

use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::CallError;
use super::super::class::Instance;
use super::super::job::Job;
use super::Pool;
use super::state::State;
use crate::spec::ExitSpec;
use crate::worker::{CallFailure, Worker};

/// How long the class may take before its container ends.
pub(super) const EXIT_LIMIT: Duration = Duration::from_secs(10);

/// What the containers of a class do first.
#[derive(Clone, Debug)]
pub(in super::super) struct Enter {
    instance: Instance,
    arguments: Arc<[u8]>,
    /// How long it may take.
    limit: Option<Duration>,
}

impl Enter {
    /// The state is made with the arguments of the instance.
    pub(in super::super) fn new(
        instance: &Instance,
        limit: Option<Duration>,
    ) -> Result<Self, CallError> {
        Ok(Self {
            arguments: Arc::clone(instance.arguments()?),
            instance: instance.clone(),
            limit,
        })
    }

    pub(super) fn class_name(&self) -> &'static str {
        self.instance.class.name
    }

    pub(super) fn name(&self) -> &'static str {
        self.instance.class.enter.name
    }
}

// The arguments are the instance's.
impl PartialEq for Enter {
    fn eq(&self, other: &Self) -> bool {
        (&self.instance, self.limit) == (&other.instance, other.limit)
    }
}

impl Eq for Enter {}

impl Hash for Enter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.instance.hash(state);
    }
}

impl Pool {
    /// Makes the state of a class, where this is a pool of one. An error is for all calls that wait; none is where nobody waits
    /// any more, or the container was ended on purpose. It is gone then.
    pub(super) async fn enter(&self, mut worker: Worker) -> Result<Worker, Option<CallError>> {
        let Some(enter) = &self.key.enter else {
            return Ok(worker);
        };
        let mut tell = self.output_of(enter.name(), worker.name());
        let container = worker.name().to_owned();
        let entered = {
            // What it calls is as deep as the deepest of those that wait for it, which is the first.
            let nested = match self.lock().queue.front() {
                Some(job) => job.target.nested.name,
                None => 0,
            };
            let mut entering =
                pin!(worker.enter(enter.class_name(), &enter.arguments, nested, &mut *tell));
            let begun = Instant::now();
            loop {
                let mut rung = pin!(self.entering.notified());
                rung.as_mut().enable();
                let wake = match self.look_at_waiting(enter, &container, begun) {
                    Ok(wake) => wake,
                    Err(error) => break Err(error),
                };
                tokio::select! {
                    biased;
                    entered = &mut entering => break entered.map_err(|failure| match failure {
                        // Those that were meant to end with it wait no more; others wait for another container.
                        CallFailure::Stopped(_) => None,
                        failure => Some(CallError::no_state(enter.name(), &failure)),
                    }),
                    () = rung => {}
                    () = super::until(wake) => {}
                }
            }
        };
        if let Err(error) = entered {
            // What the state could not be made for is what counts.
            let _ = worker.remove().await;
            return Err(error);
        }
        Ok(worker)
    }

    /// Ends the calls that have waited for longer than they may run, where nothing but this state can serve them; those that wait on hear what
    /// is printed meanwhile. Answers when to look again; an error where the state is to be made no further.
    fn look_at_waiting(
        &self,
        enter: &Enter,
        container: &str,
        begun: Instant,
    ) -> Result<Option<Instant>, Option<CallError>> {
        let now = Instant::now();
        let own = enter
            .limit
            .and_then(|limit| Some((begun.checked_add(limit)?, limit)));
        if let Some((end, limit)) = own
            && end <= now
        {
            return Err(Some(CallError::timed_out(enter.name(), limit)));
        }
        let (mut late, mut next) = (Vec::new(), None);
        let is_wanted = {
            let mut state = self.lock();
            state.queue.retain(|job| !job.is_abandoned());
            state.queue.iter().for_each(|job| job.waits_for(container));
            if state.lanes.len() + state.direct == 0 {
                (late, next) = state.take_late(begun, now);
            }
            !state.queue.is_empty() || state.living() <= self.key.size.min
        };
        for (job, limit) in late {
            job.end(Err(CallError::timed_out(enter.name(), limit)));
        }
        if !is_wanted {
            return Err(None);
        }
        Ok(own.map(|(end, _)| end).into_iter().chain(next).min())
    }

    /// What the class does before a container ends.
    pub(super) fn exit_spec(&self) -> Option<&'static ExitSpec> {
        self.key.enter.as_ref()?.instance.class.exit.as_ref()
    }

    /// Lets the class do what it does before a container ends, for a limited time. Nobody is left to hear an error but who reads what
    /// containers print.
    pub(super) async fn exit(&self, worker: &mut Worker) {
        let Some(exit) = self.exit_spec() else {
            return;
        };
        let mut tell = self.output_of(exit.name, worker.name());
        let ended = tokio::time::timeout(EXIT_LIMIT, worker.exit(&mut *tell)).await;
        let error = match ended {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => CallError::failure(exit.name, &failure).to_string(),
            Err(_) => format!("`{}` did not end within {EXIT_LIMIT:?}", exit.name),
        };
        let mut tell = self.output_of(exit.name, worker.name());
        error.lines().for_each(|line| tell(line.to_owned()));
    }
}

impl State {
    /// Takes out the calls that have waited for longer than they may run, each with its limit; answers when that will be true of
    /// the next.
    fn take_late(
        &mut self,
        begun: Instant,
        now: Instant,
    ) -> (Vec<(Job, Duration)>, Option<Instant>) {
        let (mut late, mut next) = (Vec::new(), None);
        for job in std::mem::take(&mut self.queue) {
            let limit = job.target.timeout;
            let end = limit.and_then(|limit| job.since.max(begun).checked_add(limit));
            match (end, limit) {
                (Some(end), Some(limit)) if end <= now => {
                    late.push((job, limit));
                    continue;
                }
                (Some(end), _) => next = Some(next.map_or(end, |next: Instant| next.min(end))),
                (None, _) => {}
            }
            self.queue.push_back(job);
        }
        (late, next)
    }
}
