//! What a pool knows: who waits, who works, who is idle. Under one lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::job::Job;
use crate::worker::Worker;

/// The state of a pool.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Calls that wait: first those that are inside most others, and of these the oldest.
    pub(super) queue: VecDeque<Job>,
    /// Calls that have failed and wait until they are made once more.
    pub(super) later: HashMap<u64, Job>,
    /// Workers without a call, and since when; the one that was used last is the last.
    pub(super) idle: Vec<(Worker, Instant)>,
    /// Workers that take calls from the queue.
    pub(super) lanes: Vec<Lane>,
    /// Workers that one caller asks directly.
    pub(super) direct: usize,
    /// Containers that are being started.
    pub(super) starting: usize,
    /// Containers that are being removed.
    pub(super) ending: usize,
    /// Calls that run and wait for others that they made.
    pub(super) suspended: usize,
    /// How long a lane takes for a call, where that is known.
    pub(super) pace: Option<Duration>,
    /// How long the last start took.
    pub(super) start_took: Duration,
    /// Whether somebody will look again whether the pool has to grow.
    pub(super) is_rechecked: bool,
    /// Whether somebody removes workers that have been idle for too long.
    pub(super) is_watched: bool,
    /// Whether this program is ending.
    pub(super) is_closing: bool,
    next_lane: u64,
    next_later: u64,
}

/// A worker that takes calls from the queue.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: u64,
    /// Rung when there is something to look at.
    pub(super) bell: Arc<Notify>,
    /// How many calls it could take now.
    pub(super) room: usize,
}

impl State {
    /// All containers there are.
    pub(super) fn containers(&self) -> usize {
        self.idle.len() + self.lanes.len() + self.direct + self.starting + self.ending
    }

    /// Whether there is anything in it.
    pub(super) fn is_in_use(&self) -> bool {
        self.containers() > 0 || !self.queue.is_empty() || !self.later.is_empty()
    }

    /// Containers that are not being removed.
    pub(super) fn living(&self) -> usize {
        self.containers() - self.ending
    }

    /// A lane for a worker that has room for so many calls.
    pub(super) fn add_lane(&mut self, room: usize) -> (u64, Arc<Notify>) {
        self.next_lane += 1;
        let bell = Arc::new(Notify::new());
        self.lanes.push(Lane {
            id: self.next_lane,
            bell: Arc::clone(&bell),
            room,
        });
        (self.next_lane, bell)
    }

    /// Puts a call behind those that wait as deep as it.
    pub(super) fn put(&mut self, job: Job) {
        let depth = job.depth();
        if self.queue.back().is_none_or(|last| last.depth() >= depth) {
            return self.queue.push_back(job);
        }
        let place = self.queue.partition_point(|other| other.depth() >= depth);
        self.queue.insert(place, job);
    }

    /// Keeps a call that is not to be made yet; answers its number in `later`.
    pub(super) fn keep(&mut self, job: Job) -> u64 {
        self.next_later += 1;
        self.later.insert(self.next_later, job);
        self.next_later
    }

    /// Puts back a call that was taken before those that wait as deep as it.
    pub(super) fn put_back(&mut self, job: Job) {
        let depth = job.depth();
        let place = self.queue.partition_point(|other| other.depth() > depth);
        self.queue.insert(place, job);
    }

    /// How many calls of functions in containers wait.
    pub(super) fn nested(&self) -> usize {
        self.queue.partition_point(|job| job.depth() > 0)
    }

    /// Takes up to `room` calls for a lane; where one of them, or `beside`, is a function's, only calls of this function, and
    /// those that it may wait for itself. Those that nobody waits for are left out.
    pub(super) fn take(&mut self, lane: u64, room: usize, beside: Option<&str>) -> Vec<Job> {
        let mut taken: Vec<Job> = Vec::new();
        let mut left = room;
        while left > 0 {
            let Some(next) = self.queue.front() else {
                break;
            };
            let function = beside.or(taken.first().map(Job::name));
            if next.depth() == 0 && function.is_some_and(|function| function != next.name()) {
                left = 0;
                break;
            }
            let next = self.queue.pop_front().filter(|job| !job.is_abandoned());
            left -= usize::from(next.is_some());
            taken.extend(next);
        }
        self.set_room(lane, left);
        taken
    }

    /// Notes how many calls a lane could take.
    pub(super) fn set_room(&mut self, lane: u64, room: usize) {
        if let Some(lane) = self.lanes.iter_mut().find(|other| other.id == lane) {
            lane.room = room;
        }
    }

    /// Notes how long a lane took for a call.
    pub(super) fn note_pace(&mut self, new: Duration) {
        self.pace = Some(match self.pace {
            Some(old) => (old * 3 + new) / 4,
            None => new,
        });
    }
}
