//! Calls functions of this program by name, and catches what they panic with.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::current::{Ticket, run_for};
use super::python::Interpreter;
use crate::protocol::{called, payload};
use crate::registry;
use crate::spec::{ClassSpec, Failure, FunctionSpec, Invoke, ItemSink, PythonSpec};

/// The functions of this program, and the runtime of those that are async.
pub(super) struct Functions {
    by_name: HashMap<&'static str, &'static FunctionSpec>,
    runtime: OnceLock<tokio::runtime::Runtime>,
    /// The class whose state was made.
    entered: OnceLock<&'static ClassSpec>,
    /// The interpreter, once a function whose body is Python was called.
    python: Mutex<Option<Arc<Interpreter>>>,
}

thread_local! {
    /// The panics of the function that this thread runs, latest last; nothing while it runs none.
    static PANICS: RefCell<Option<Vec<Failure>>> = const { RefCell::new(None) };
}

impl Functions {
    /// All functions that registered themselves. From now on a function's panic is kept for its caller, not printed.
    pub(super) fn new() -> Self {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let earlier = PANICS.with_borrow_mut(|panics| {
                panics.as_mut().map(|panics| {
                    panics.push(failure(info));
                    panics[..panics.len() - 1].to_vec()
                })
            });
            // One panic is its caller's to hear. A further one may be what ends the process, as each is that cannot unwind, so all are
            // printed while they can be, the earlier ones last: the last lines are what is shown of a worker that died.
            let ends = cfg!(panic = "abort");
            if ends || earlier.as_ref().is_none_or(|earlier| !earlier.is_empty()) {
                print(info);
            }
            for earlier in earlier.iter().flatten() {
                if let Failure::Panicked { message, place, .. } = earlier {
                    let _ = writeln!(io::stderr().lock(), "after a panic at {place}: {message}");
                }
            }
        }));
        Self {
            by_name: registry::functions()
                .map(|function| (function.name, function))
                .collect(),
            runtime: OnceLock::new(),
            entered: OnceLock::new(),
            python: Mutex::default(),
        }
    }

    /// Answers one call: its body is that of a [`Kind::Call`](crate::protocol::Kind::Call).
    pub(super) fn call(&self, ticket: Ticket, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (function, arguments) = self.find(body)?;
        run_for(ticket, function.name, || {
            self.run(function.invoke, arguments)
        })
    }

    fn run(&self, invoke: Invoke, arguments: Vec<u8>) -> Result<Vec<u8>, Failure> {
        guarded(|| match invoke {
            Invoke::Blocking(invoke) => invoke(arguments),
            Invoke::Async(invoke) => self.runtime().block_on(invoke(arguments)),
            Invoke::Python(spec) if !spec.is_stream => self.python(spec)?.call(spec, arguments),
            Invoke::Items(_) | Invoke::Stream(_) | Invoke::Python(_) => Err(Failure::Encoding {
                reason: "its result is a stream, and it was called for a single value".into(),
            }),
        })
    }

    /// Makes the state of a class: the body is that of a [`Kind::Enter`](crate::protocol::Kind::Enter).
    pub(super) fn enter(&self, ticket: Ticket, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let (class, arguments) = known(body, |name| {
            let mut classes = self.by_name.values().filter_map(|function| function.class);
            classes.find(|class| class.name == name)
        })?;
        let enter = || self.run(class.enter.invoke, arguments);
        run_for(ticket, class.enter.name, enter)?;
        // A host asks once.
        let _ = self.entered.set(class);
        Ok(Vec::new())
    }

    /// Runs what a class does before its container ends.
    pub(super) fn exit(&self, ticket: Ticket) -> Result<Vec<u8>, Failure> {
        match self.entered.get().and_then(|class| class.exit.as_ref()) {
            Some(exit) => {
                let none = payload::join(&(), None).expect("nothing is encoded without fault");
                run_for(ticket, exit.name, || self.run(exit.invoke, none))
            }
            None => Ok(Vec::new()),
        }
    }

    /// Runs a function that makes a stream, into the sink.
    pub(super) fn stream(
        &self,
        ticket: Ticket,
        body: Vec<u8>,
        sink: &dyn ItemSink,
    ) -> Result<(), Failure> {
        let (function, arguments) = self.find(body)?;
        let run = || match function.invoke {
            Invoke::Items(invoke) => invoke(arguments, sink),
            Invoke::Stream(invoke) => self.runtime().block_on(invoke(arguments, sink)),
            Invoke::Python(spec) if spec.is_stream => {
                self.python(spec)?.stream(spec, arguments, sink)
            }
            Invoke::Blocking(_) | Invoke::Async(_) | Invoke::Python(_) => Err(Failure::Encoding {
                reason: "its result is a single value, and it was called for a stream".into(),
            }),
        };
        run_for(ticket, function.name, || guarded(run))
    }

    fn find(&self, body: Vec<u8>) -> Result<(&'static FunctionSpec, Vec<u8>), Failure> {
        known(body, |name| self.by_name.get(name).copied())
    }

    fn python(&self, spec: &PythonSpec) -> Result<Arc<Interpreter>, Failure> {
        let mut python = self.python.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interpreter) = &*python {
            return Ok(Arc::clone(interpreter));
        }
        let interpreter = Arc::new(Interpreter::start(spec)?);
        *python = Some(Arc::clone(&interpreter));
        Ok(interpreter)
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.runtime.get_or_init(new_runtime)
    }
}

/// What a body names, and the arguments.
fn known<T>(
    mut body: Vec<u8>,
    find: impl FnOnce(&str) -> Option<T>,
) -> Result<(T, Vec<u8>), Failure> {
    let (name, length) = called::name_at_end(&body).unwrap_or_default();
    let Some(found) = find(name) else {
        return Err(Failure::UnknownFunction {
            name: name.to_owned(),
        });
    };
    body.truncate(length);
    Ok((found, body))
}

/// Runs a function; what it panics with is its failure.
fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    PANICS.set(Some(Vec::new()));
    let outcome = catch_unwind(AssertUnwindSafe(run));
    let panics = PANICS.take();
    // Of several, all were printed as they came.
    if let (Ok(_), Some([Failure::Panicked { message, place, .. }])) = (&outcome, panics.as_deref())
    {
        // The function has caught it, and its caller hears of it as it would without a container.
        let _ = writeln!(io::stderr().lock(), "panicked at {place}:\n{message}");
    }
    outcome.unwrap_or_else(|payload| {
        // `resume_unwind` calls no hook.
        let unheard = || Failure::Panicked {
            message: message(&*payload),
            place: "an unknown place".into(),
            backtrace: String::new(),
        };
        Err(panics
            .and_then(|mut panics| panics.pop())
            .unwrap_or_else(unheard))
    })
}

fn new_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a container without threads runs nothing")
}

fn failure(info: &PanicHookInfo<'_>) -> Failure {
    Failure::Panicked {
        message: message(info.payload()),
        place: info.location().map(ToString::to_string).unwrap_or_default(),
        backtrace: of_the_function(&Backtrace::force_capture().to_string()),
    }
}

/// The frames of a backtrace between the panic machinery and ours: those of the function.
fn of_the_function(backtrace: &str) -> String {
    let mut frames: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in backtrace.lines() {
        let head = line.trim_start().split_once(": ");
        match head.filter(|(number, _)| number.parse::<u32>().is_ok()) {
            Some((_, name)) => frames.push((name, Vec::new())),
            None => {
                if let Some((_, lines)) = frames.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    // `catch_unwind` lives beside these, and stands at the other end.
    let machinery = |name: &str| {
        ["panicking::panic", "panicking::assert", "begin_unwind"]
            .iter()
            .any(|part| name.contains(part))
    };
    let begin = frames
        .iter()
        .rposition(|(name, _)| machinery(name))
        .map_or(0, |last| last + 1);
    let mut text = String::new();
    let own = frames[begin..]
        .iter()
        .take_while(|(name, _)| !name.contains("worker::invoke"));
    for (number, (name, lines)) in own.enumerate() {
        text.push_str(&format!("{number:>4}: {name}\n"));
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_is_cut_to_the_frames_of_the_function() {
        let whole = "   0: image_runtime::worker::invoke::failure\n             at ./invoke.rs:1:2\n   \
                     1: std::panicking::panic_with_hook\n   2: core::panicking::panic_fmt\n   \
                     3: app::train\n             at ./main.rs:7:9\n   4: core::ops::function::FnOnce::call_once\n   \
                     5: std::panicking::catch_unwind\n   \
                     6: image_runtime::worker::invoke::guarded\n   7: main\n";
        assert_eq!(
            of_the_function(whole),
            "   0: app::train\n             at ./main.rs:7:9\n   1: core::ops::function::FnOnce::call_once\n   2: std::panicking::catch_unwind\n"
        );
        assert_eq!(of_the_function("disabled backtrace"), "");
    }
}
