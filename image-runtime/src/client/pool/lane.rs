//! A worker that serves the queue: takes calls from it, sends them, hears the answers, until none is left.
//!
//! Quick calls are sent ahead, before the answers of earlier ones have come, so that the worker never waits for the next. The
//! worker begins them in order, so of those without an answer only the first `concurrency` can have begun (see
//! [`Kind::Queue`]). When a worker dies, only these have failed: the others go back into the queue as if they had never been sent.
//! Where a call turns out to be slow, those sent ahead are called back, for other workers.

mod running;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::running::Running;
use super::super::CallError;
use super::super::future::caught;
use super::Pool;
use crate::protocol::{Kind, called};
use crate::worker::{CallFailure, Flow, Frame, Member, Worker};

/// How much work is sent ahead.
const AHEAD: Duration = Duration::from_millis(2);

/// How many calls are sent ahead at most.
const MOST_AHEAD: u128 = 256;

/// How long a call may take until those behind it are called back.
const SLOW: Duration = Duration::from_millis(2);

/// How long a worker may take to call back what has not begun; it does nothing else meanwhile.
const RECALL_LIMIT: Duration = Duration::from_secs(5);

/// How long a stream may take to notice that nobody wants it.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Takes lines that a function prints.
type Tell = Box<dyn FnMut(String) + Send>;

/// Why a lane ended.
enum End {
    /// Nothing waits.
    Idle,
    /// What runs in it is not wanted any more, and cannot be ended otherwise.
    Unwanted,
    /// The worker ended.
    Closed,
    /// The connection failed.
    Broken(CallFailure),
}

impl Pool {
    /// Drives a worker until nothing waits for it.
    pub(super) async fn drive(self: Arc<Self>, worker: Worker, (id, bell): (u64, Arc<Notify>)) {
        let driven = Arc::clone(&self).drive_on(worker, id, bell);
        if caught(driven).await.is_none() {
            let mut state = self.lock();
            state.lanes.retain(|lane| lane.id != id);
            self.advance(&mut state);
        }
    }

    async fn drive_on(self: Arc<Self>, mut worker: Worker, id: u64, bell: Arc<Notify>) {
        let (end, running) = loop {
            let mut lane = Lane {
                pool: &self,
                id,
                bell: &bell,
                running: Running::new(self.key.size.concurrency),
                container: Arc::clone(worker.member()),
                recalled: None,
                has_served: false,
            };
            let end = match worker.flow(self.key.size.concurrency) {
                Ok(flow) => lane.serve(flow).await,
                Err(error) => End::Broken(CallFailure::Connection(error)),
            };
            let running = lane.running;
            if !matches!(end, End::Idle) {
                break (end, running);
            }
            let mut state = self.lock();
            let used_up = self.key.size.is_single_use() && !worker.is_unused();
            if state.queue.is_empty() || used_up {
                state.lanes.retain(|lane| lane.id != id);
                self.rest(&mut state, worker);
                if used_up {
                    self.advance(&mut state);
                }
                return;
            }
        };

        {
            // It takes no more calls, so that none must wait for it.
            let mut state = self.lock();
            state.set_room(id, 0);
            self.advance(&mut state);
        }
        let failure = match end {
            End::Idle | End::Unwanted => None,
            End::Closed => Some(worker.end().await),
            End::Broken(failure) => Some(failure),
        };
        let (mut begun, mut not_begun) = running.into_jobs();
        if matches!(&failure, Some(CallFailure::Stopped(stop)) if stop.everywhere) {
            begun.append(&mut not_begun);
        }
        if let Some(failure) = failure {
            for job in begun {
                let error = CallError::failure(job.name(), &failure);
                job.end(Err(error));
            }
        }
        // What has not begun in it goes to others once it cannot begin there any more. An error of the engine changes nothing for
        // anybody: the worker has lost its socket and ends by itself.
        let _ = worker.remove().await;
        let mut state = self.lock();
        state.lanes.retain(|lane| lane.id != id);
        for job in not_begun.into_iter().rev() {
            state.put_back(job);
        }
        self.advance(&mut state);
    }
}

/// A worker with what it was sent.
struct Lane<'a> {
    pool: &'a Arc<Pool>,
    id: u64,
    bell: &'a Notify,
    running: Running,
    container: Arc<Member>,
    /// Since when it is to call back what has not begun.
    recalled: Option<Instant>,
    /// Whether a call was taken: where a container is for one call only, that was it.
    has_served: bool,
}

impl Lane<'_> {
    async fn serve(&mut self, mut flow: Flow<'_>) -> End {
        let pool = Arc::clone(self.pool);
        let mut told: Option<(&str, Tell)> = None;
        loop {
            if let Err(end) = self.look_after(&mut flow) {
                return end;
            }
            self.take(&mut flow);
            match self.running.first() {
                Some(function) if told.as_ref().is_none_or(|(name, _)| *name != function) => {
                    self.container.serves(function);
                    told = Some((function, pool.output_of(function, self.container.name())));
                }
                Some(_) => {}
                None if self.recalled.is_none() => return End::Idle,
                // All was answered before the worker heard that it was to give something back. It still says that it gives nothing.
                None => {}
            }
            let (_, tell) = told.as_mut().expect("only calls are called back");
            let wake = self.next_look();
            let frames = tokio::select! {
                biased;
                frames = flow.frames(tell) => frames,
                () = self.bell.notified() => continue,
                () = until(wake) => continue,
            };
            match frames {
                Ok(Some(frames)) => {
                    if self.running.is_last_answer(&frames) {
                        flow.end_lines(tell);
                        flow.forget_lines();
                    }
                    if let Err(failure) = self.hear(&flow, frames) {
                        return End::Broken(failure);
                    }
                }
                Ok(None) => {
                    flow.end_lines(tell);
                    return End::Closed;
                }
                Err(failure) => return End::Broken(failure),
            }
        }
    }

    /// Takes calls as there is room, and sends them.
    fn take(&mut self, flow: &mut Flow<'_>) {
        let size = self.pool.key.size;
        let room = match self.recalled {
            Some(_) => 0,
            None if self.running.has_unwanted() => 0,
            None if size.is_single_use() => usize::from(!self.has_served),
            None => (size.concurrency + self.ahead()).saturating_sub(self.running.len()),
        };
        let jobs = {
            let mut state = self.pool.lock();
            // What the functions print is told apart by what runs.
            let jobs = state.take(self.id, room, self.running.first());
            if !state.queue.is_empty() {
                self.pool.advance(&mut state);
            }
            jobs
        };
        for mut job in jobs {
            self.has_served = true;
            job.goes_to(self.container.name());
            let kind = match job.is_stream {
                true => Kind::Stream,
                false => Kind::Queue,
            };
            let nested = job.target.nested.name;
            let length = called::length_of(job.name());
            let parts = [&*job.arguments, job.name().as_bytes(), &length];
            match flow.request(kind, nested, &parts) {
                Ok(number) => self.running.push(number, job),
                Err(error) => {
                    let error = CallError::failure(job.name(), &CallFailure::Frame(error));
                    job.end(Err(error));
                }
            }
        }
    }

    /// How many calls may be sent ahead.
    fn ahead(&self) -> usize {
        if self.running.len() > 0 && self.running.quiet_since() + SLOW <= Instant::now() {
            return 0;
        }
        let Some(pace) = self.pool.lock().pace else {
            return 0;
        };
        let ahead = (AHEAD.as_nanos() / pace.as_nanos().max(1)).min(MOST_AHEAD);
        usize::try_from(ahead).unwrap_or(0)
    }

    /// Sees to what callers want, and to what takes too long.
    fn look_after(&mut self, flow: &mut Flow<'_>) -> Result<(), End> {
        let now = Instant::now();
        for (number, taken) in self.running.items_taken() {
            // Four bytes always fit.
            let _ = flow.push(Kind::More, number, &[&taken.to_be_bytes()]);
        }
        for (number, is_stream) in self.running.give_up_abandoned(now) {
            flow.give_up(number);
            if is_stream {
                let _ = flow.push(Kind::Stop, number, &[]);
            }
        }
        for number in self.running.time_out(now) {
            flow.give_up(number);
        }
        if self
            .recalled
            .is_some_and(|since| since.elapsed() > RECALL_LIMIT)
        {
            return Err(End::Broken(CallFailure::Connection(std::io::Error::other(
                "the worker does not answer",
            ))));
        }
        let is_unwanted = self.running.is_unwanted_at(now);
        if is_unwanted && !self.running.is_ahead() && self.running.has_only_unwanted() {
            return Err(End::Unwanted);
        }
        let is_slow = self.running.quiet_since() + SLOW <= now;
        if self.running.is_ahead() && (is_unwanted || is_slow) && self.recalled.is_none() {
            self.recalled = Some(now);
            let _ = flow.push(Kind::Recall, 0, &[]);
        }
        Ok(())
    }

    /// When to look again although nothing is heard.
    fn next_look(&self) -> Option<Instant> {
        let slow = self.running.quiet_since() + SLOW;
        [
            self.running.next_limit(),
            self.recalled.map(|since| since + RECALL_LIMIT),
            (self.running.is_ahead() && self.recalled.is_none()).then_some(slow),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn hear(&mut self, flow: &Flow<'_>, frames: Vec<Frame>) -> Result<(), CallFailure> {
        let mut answers = 0;
        for (header, mut body) in frames {
            match header.kind {
                Kind::Item => self.running.item(header.number, body),
                Kind::Returned | Kind::Failed => {
                    answers += 1;
                    let stamp = flow.stamp(&mut body);
                    let Some(job) = self.running.remove(header.number) else {
                        continue;
                    };
                    job.was_answered(stamp);
                    let ended = match header.kind {
                        Kind::Returned => Ok(body),
                        _ => Err(CallError::failure(
                            job.name(),
                            &CallFailure::Failed(flow.failure(&body)?),
                        )),
                    };
                    job.end(ended);
                }
                Kind::Recalled => self.call_back(&body),
                other => {
                    let text = format!("unexpected message {other:?}");
                    return Err(CallFailure::Connection(std::io::Error::other(text)));
                }
            }
        }
        if let ControlFlow::Break(pace) = self.running.heard(answers) {
            self.pool.lock().note_pace(pace);
        }
        Ok(())
    }

    /// Puts back what the worker gave back, before all others.
    fn call_back(&mut self, numbers: &[u8]) {
        self.recalled = None;
        let jobs: Vec<_> = numbers
            .chunks_exact(8)
            .filter_map(|number| {
                let number = number.try_into().expect("a chunk has eight bytes");
                self.running.remove(u64::from_be_bytes(number))
            })
            .collect();
        let mut state = self.pool.lock();
        state.pace = None;
        state.set_room(self.id, 0);
        for job in jobs.into_iter().rev() {
            state.put_back(job);
        }
        self.pool.advance(&mut state);
    }
}

pub(super) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
