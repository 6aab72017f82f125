//! Limits of functions that are more than their machine has. They keep nobody from calling: elsewhere the same program may have more.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::engine::{Engine, EngineInfo};
use crate::event::{Event, Events};
use crate::spec::FunctionOptions;

/// The functions of which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashSet<&'static str>>);

impl Seen {
    /// Says once of a function what of its limits the machine does not have.
    pub(super) async fn look_at(
        &self,
        function: &'static str,
        options: &FunctionOptions,
        engine: &dyn Engine,
        events: &Events,
    ) {
        if options.cpu.is_none() && options.memory.is_none() {
            return;
        }
        let is_new = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(function)
        };
        // An engine that says nothing says why when a container is started.
        if is_new && let Ok(info) = engine.info().await {
            for text in beyond(function, options, &info) {
                events.tell(Event::Notice { text });
            }
        }
    }
}

fn beyond(function: &str, options: &FunctionOptions, machine: &EngineInfo) -> Vec<String> {
    let cpus = options.cpu.zip(machine.cpus);
    let cpus = cpus.filter(|(asked, there)| *asked > *there as f64);
    let cpus = cpus.map(|(asked, there)| (format!("`cpu = {asked:?}`"), format!("{there} CPUs")));
    let memory = options.memory.zip(machine.memory);
    let memory = memory.filter(|(asked, there)| asked > there);
    let gibibytes = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let memory = memory.map(|(asked, there)| {
        let asked = format!("`memory` of {}", gibibytes(asked));
        (asked, gibibytes(there))
    });
    let all = cpus.into_iter().chain(memory);
    all.map(|(asked, there)| {
        format!(
            "`{function}` has {asked}, and this machine has {there}: it gets no more than these"
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_does_not_have_is_said() {
        let machine = EngineInfo {
            product: String::new(),
            version: String::new(),
            address: String::new(),
            platform: String::new(),
            only_root: false,
            cpus: Some(2),
            memory: Some(8 << 30),
            facts: Vec::new(),
        };
        let said = |cpu, memory| {
            let options = FunctionOptions {
                cpu,
                memory,
                ..FunctionOptions::new()
            };
            beyond("f", &options, &machine)
        };
        assert!(said(None, None).is_empty());
        assert!(said(Some(2.0), Some(8 << 30)).is_empty());
        assert_eq!(
            said(Some(4.0), Some(16 << 30)),
            [
                "`f` has `cpu = 4.0`, and this machine has 2 CPUs: it gets no more than these",
                "`f` has `memory` of 16.0 GiB, and this machine has 8.0 GiB: it gets no more than these",
            ]
        );
    }
}
