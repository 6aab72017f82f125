//! What a container may use of the machine.

use std::hash::{Hash, Hasher};

use super::EngineError;

/// Less memory than this no engine gives: a process could not even start.
const LEAST_MEMORY: u64 = 6 << 20;
/// The kernel counts no more processes than this.
const MOST_PIDS: u64 = 1 << 22;
/// The kernel gives time in slices of a tenth of a second, of which a thousandth is the least.
const LEAST_CPUS: f64 = 0.01;
/// No kernel knows more CPUs.
const MOST_CPUS: f64 = 8192.0;

/// What a container may use of the machine; `None` is no limit of its own.
///
/// A limit that an engine cannot keep is [`EngineError::Limit`] when the container is started, never silence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Bytes of memory, swap included. Who needs more is killed: [`Exit::out_of_memory`](super::Exit::out_of_memory).
    pub memory: Option<u64>,
    /// Processes and threads at a time. One more cannot be started.
    pub pids: Option<u64>,
    /// How many CPUs' time: 0.5 is half of one. Who wants more is slowed.
    pub cpus: Option<f64>,
}

impl Limits {
    /// What tells limits apart, with a number of CPUs by its bits.
    fn key(&self) -> (Option<u64>, Option<u64>, Option<u64>) {
        (self.memory, self.pids, self.cpus.map(f64::to_bits))
    }

    /// Whether the numbers make sense, the same on every engine.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let wrong = |limit, is: String, must: String| EngineError::Limit {
            limit,
            reason: format!("it is {is}"),
            help: format!("ask for {must}"),
        };
        if let Some(bytes) = self.memory.filter(|&bytes| bytes < LEAST_MEMORY) {
            let least = format!("at least {LEAST_MEMORY} bytes");
            return Err(wrong("memory", format!("{bytes} bytes"), least));
        }
        if let Some(pids) = self.pids.filter(|pids| !(1..=MOST_PIDS).contains(pids)) {
            let range = format!("1 to {MOST_PIDS} processes");
            return Err(wrong("pids", pids.to_string(), range));
        }
        let cpus = LEAST_CPUS..=MOST_CPUS;
        if let Some(number) = self.cpus.filter(|number| !cpus.contains(number)) {
            let range = format!("{LEAST_CPUS} to {MOST_CPUS} CPUs");
            return Err(wrong("cpu", number.to_string(), range));
        }
        Ok(())
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Limits {}

impl Hash for Limits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_errors_that_say_what_does() {
        let ask = |memory, pids, cpus| {
            let limits = Limits { memory, pids, cpus };
            limits.check().map_err(|error| error.to_string())
        };
        let cases = [
            (ask(Some(0), None, None), "memory"),
            (ask(Some(4096), None, None), "6291456"),
            (ask(None, Some(0), None), "pids"),
            (ask(None, Some(u64::MAX), None), "4194304"),
            (ask(None, None, Some(0.0)), "cpu"),
            (ask(None, None, Some(-1.0)), "cpu"),
            (ask(None, None, Some(f64::NAN)), "cpu"),
            (ask(None, None, Some(f64::INFINITY)), "8192"),
        ];
        for (result, says) in cases {
            let error = result.unwrap_err();
            assert!(error.contains(says) && error.contains("help:"), "{error}");
        }
        assert_eq!(ask(None, None, None), Ok(()));
        assert_eq!(ask(Some(6 << 20), Some(1), Some(0.01)), Ok(()));
    }
}
