//! The calls that a worker was sent and has not answered, in the order they were sent.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::super::super::CallError;
use super::super::super::job::Job;
use super::STOP_LIMIT;
use crate::protocol::Kind;
use crate::worker::Frame;

/// The calls of a lane.
pub(super) struct Running {
    calls: VecDeque<Call>,
    /// How many of them run at once: only the first so many can have begun.
    places: usize,
    /// Since when nothing has begun or ended.
    quiet: Instant,
}

struct Call {
    number: u64,
    name: &'static str,
    is_stream: bool,
    /// Nothing where nobody waits for it any more.
    job: Option<Job>,
    /// Since when it may be running.
    begun: Option<Instant>,
    /// Where nobody waits for it, from when on it is to be ended by force.
    unwanted: Option<Instant>,
}

impl Running {
    pub(super) fn new(places: usize) -> Self {
        Self {
            calls: VecDeque::new(),
            places,
            quiet: Instant::now(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The function of the first call.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.calls.front().map(|call| call.name)
    }

    /// Adds a call that was sent.
    pub(super) fn push(&mut self, number: u64, job: Job) {
        if self.calls.is_empty() {
            self.quiet = Instant::now();
        }
        self.calls.push_back(Call {
            number,
            name: job.name(),
            is_stream: job.is_stream,
            job: Some(job),
            begun: None,
            unwanted: None,
        });
        self.note_begun();
    }

    /// Whether some of the calls cannot have begun.
    pub(super) fn is_ahead(&self) -> bool {
        self.calls.len() > self.places
    }

    /// Since when nothing has begun or ended.
    pub(super) fn quiet_since(&self) -> Instant {
        self.quiet
    }

    /// Whether these frames answer all that runs.
    pub(super) fn is_last_answer(&self, frames: &[Frame]) -> bool {
        let answers = frames
            .iter()
            .filter(|(header, _)| matches!(header.kind, Kind::Returned | Kind::Failed));
        answers.count() >= self.calls.len()
    }

    /// Takes out a call that is answered or was called back; its job, if somebody waits for it.
    pub(super) fn remove(&mut self, number: u64) -> Option<Job> {
        let index = self.calls.iter().position(|call| call.number == number)?;
        let call = self.calls.remove(index)?;
        self.note_begun();
        call.job
    }

    /// Hands on an item of a stream.
    pub(super) fn item(&mut self, number: u64, item: Vec<u8>) {
        let call = self.calls.iter().find(|call| call.number == number);
        if let Some(job) = call.and_then(|call| call.job.as_ref()) {
            job.item(item);
        }
    }

    /// So many answers came; breaks with how long each took.
    pub(super) fn heard(&mut self, answers: u32) -> ControlFlow<Duration> {
        match self.quiet.elapsed().checked_div(answers) {
            Some(pace) => {
                self.quiet = Instant::now();
                ControlFlow::Break(pace)
            }
            // Items of a stream end nothing.
            None => ControlFlow::Continue(()),
        }
    }

    /// Streams whose consumers took items since this was asked last, and how many.
    pub(super) fn items_taken(&self) -> Vec<(u64, u32)> {
        self.calls
            .iter()
            .filter(|call| call.is_stream)
            .filter_map(|call| Some((call.number, call.job.as_ref()?.items_taken())))
            .filter(|(_, taken)| *taken > 0)
            .collect()
    }

    /// Notes which calls nobody waits for any more; answers them, and whether they are streams, which can end by themselves.
    pub(super) fn give_up_abandoned(&mut self, now: Instant) -> Vec<(u64, bool)> {
        let mut abandoned = Vec::new();
        for call in &mut self.calls {
            if call.job.take_if(|job| job.is_abandoned()).is_some() {
                call.unwanted = Some(now);
                if call.is_stream {
                    call.unwanted = Some(now + STOP_LIMIT);
                }
                abandoned.push((call.number, call.is_stream));
            }
        }
        abandoned
    }

    /// Tells the callers of those that run for too long; answers these.
    pub(super) fn time_out(&mut self, now: Instant) -> Vec<u64> {
        let mut late = Vec::new();
        for call in self.calls.iter_mut().take(self.places) {
            if call.limit().is_some_and(|end| end <= now)
                && let Some(job) = call.job.take()
                && let Some(limit) = job.target.timeout
            {
                call.unwanted = Some(now);
                job.end(Err(CallError::timed_out(call.name, limit)));
                late.push(call.number);
            }
        }
        late
    }

    /// Whether there are calls that nobody waits for.
    pub(super) fn has_unwanted(&self) -> bool {
        self.calls.iter().any(|call| call.unwanted.is_some())
    }

    /// Whether there is a call that is to be ended by force now.
    pub(super) fn is_unwanted_at(&self, now: Instant) -> bool {
        self.calls
            .iter()
            .any(|call| call.unwanted.is_some_and(|from| from <= now))
    }

    /// Whether nobody waits for any of the calls.
    pub(super) fn has_only_unwanted(&self) -> bool {
        self.calls.iter().all(|call| call.unwanted.is_some())
    }

    /// The next time at which one of the calls has a limit.
    pub(super) fn next_limit(&self) -> Option<Instant> {
        let now = Instant::now();
        self.calls
            .iter()
            .take(self.places)
            .filter_map(|call| match call.unwanted {
                Some(from) => Some(from).filter(|from| *from > now),
                None => call.limit(),
            })
            .min()
    }

    /// The calls that somebody waits for: those that can have begun, and those that cannot.
    pub(super) fn into_jobs(self) -> (Vec<Job>, Vec<Job>) {
        let places = self.places;
        let mut parts = (Vec::new(), Vec::new());
        for (index, call) in self.calls.into_iter().enumerate() {
            match index < places {
                true => parts.0.extend(call.job),
                false => parts.1.extend(call.job),
            }
        }
        parts
    }

    fn note_begun(&mut self) {
        let not_yet = self.calls.iter_mut().take(self.places);
        for call in not_yet.filter(|call| call.begun.is_none()) {
            call.begun = Some(Instant::now());
        }
    }
}

impl Call {
    fn limit(&self) -> Option<Instant> {
        self.begun?.checked_add(self.job.as_ref()?.target.timeout?)
    }
}
