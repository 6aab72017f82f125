//! The face: shows people what happens. All of it goes to standard error; standard output is the program's own.
//!
//! Events are folded into a state (`state`), which also makes the lines that are worth keeping. On a terminal, what runs is drawn
//! below those lines (`progress`); elsewhere there are only lines (`plain`). A build that has nothing to do shows nothing.

pub mod format;
mod plain;
mod progress;
mod state;
mod trace;

use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Events};
use plain::Plain;
use progress::Progress;
use state::{Line, Matter, State};

/// What decides how much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UiOptions {
    /// `--quiet`: only what went wrong, what the user should know, and what functions print.
    pub quiet: bool,
    /// Whether a test runs: its output is mixed with that of others, so steps are told and what they print is not.
    pub test: bool,
}

/// Shows events on standard error.
#[derive(Clone)]
pub struct Ui(Arc<Mutex<Shown>>);

struct Shown {
    state: State,
    face: Face,
}

enum Face {
    Plain(Plain),
    Progress(Progress),
}

impl Ui {
    /// The face that fits what standard error is.
    pub fn new(options: UiOptions) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self::with_face(if options.quiet {
            Face::Plain(Plain::new(stderr(), Matter::Notice))
        } else if options.test {
            Face::Plain(Plain::new(stderr(), Matter::Step))
        } else if dumb || !std::io::stderr().is_terminal() {
            Face::Plain(Plain::new(stderr(), Matter::Detail))
        } else {
            Face::Progress(Progress::new(
                stderr(),
                indicatif::ProgressDrawTarget::stderr(),
            ))
        })
    }

    fn with_face(face: Face) -> Self {
        let state = State::default();
        Self(Arc::new(Mutex::new(Shown { state, face })))
    }

    /// Where to tell what happens.
    pub fn events(&self) -> Events {
        let ui = self.clone();
        Events::new(move |event| match event {
            Event::Begun => trace::start(&ui),
            event => ui.show(event),
        })
    }

    /// Shows a line in any case.
    fn say(&self, text: String) {
        let line = Line {
            matter: Matter::Notice,
            text,
        };
        self.with(|shown| match &mut shown.face {
            Face::Plain(plain) => plain.show(Some(&line)),
            Face::Progress(progress) => progress.show(&shown.state, None, Some(&line)),
        });
    }

    /// Removes what is drawn of running work, as before printing an error.
    pub fn clear(&self) {
        self.with(|shown| {
            shown.state = State::default();
            if let Face::Progress(progress) = &mut shown.face {
                progress.clear();
            }
        });
    }

    fn show(&self, event: Event) {
        self.with(|shown| {
            let layer = event.layer();
            let line = shown.state.fold(event);
            match &mut shown.face {
                Face::Plain(plain) => plain.show(line.as_ref()),
                Face::Progress(progress) => {
                    progress.show(&shown.state, layer.as_ref(), line.as_ref())
                }
            }
        });
    }

    fn with(&self, work: impl FnOnce(&mut Shown)) {
        // Showing goes on even where a thread panicked while it showed something.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ui")
    }
}

fn stderr() -> Box<dyn Write + Send> {
    Box::new(std::io::stderr())
}

#[cfg(test)]
mod tests;
