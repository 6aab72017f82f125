//! Calls functions of this program by name, and catches what they panic with.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use crate::protocol::Failure;
use crate::registry;
use crate::spec::{FunctionSpec, Invoke};

/// The functions of this program, and the runtime of those that are async.
pub(super) struct Functions {
    by_name: HashMap<&'static str, &'static FunctionSpec>,
    runtime: Option<tokio::runtime::Runtime>,
}

thread_local! {
    /// The panic of the function that this thread runs: nothing while it runs none.
    static PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Where a caught panic is kept.
enum Panic {
    /// None so far.
    Awaited,
    /// This one.
    Seen(Failure),
}

impl Functions {
    /// All functions that registered themselves. From now on a function's panic is kept for its caller, not printed.
    pub(super) fn new() -> Self {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let earlier = PANIC.with_borrow_mut(|panic| match panic {
                Some(slot) => match std::mem::replace(slot, Panic::Seen(failure(info))) {
                    Panic::Awaited => None,
                    Panic::Seen(earlier) => Some(Some(earlier)),
                },
                None => Some(None),
            });
            // A second panic may be the one that ends the process, so both are printed while they can be.
            if let Some(earlier) = earlier {
                if let Some(Failure::Panicked { message, place, .. }) = earlier {
                    let _ = writeln!(io::stderr().lock(), "panicked at {place}:\n{message}");
                }
                print(info);
            }
        }));
        Self {
            by_name: registry::functions()
                .map(|function| (function.name, function))
                .collect(),
            runtime: None,
        }
    }

    /// Answers one [`Kind::Call`](crate::protocol::Kind::Call).
    pub(super) fn call(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let split = body
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(body.len());
        let name = String::from_utf8_lossy(&body[..split]);
        let arguments = body.get(split + 1..).unwrap_or_default();
        let Some(function) = self.by_name.get(&*name) else {
            return Err(Failure::UnknownFunction {
                name: name.into_owned(),
            });
        };
        PANIC.set(Some(Panic::Awaited));
        let outcome = catch_unwind(AssertUnwindSafe(|| match function.invoke {
            Invoke::Blocking(invoke) => invoke(arguments),
            Invoke::Async(invoke) => self
                .runtime
                .get_or_insert_with(new_runtime)
                .block_on(invoke(arguments)),
        }));
        let panic = PANIC.take();
        outcome.unwrap_or_else(|payload| {
            Err(match panic {
                Some(Panic::Seen(failure)) => failure,
                // `resume_unwind` calls no hook.
                Some(Panic::Awaited) | None => Failure::Panicked {
                    message: message(&*payload),
                    place: String::new(),
                    backtrace: String::new(),
                },
            })
        })
    }
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
        backtrace: Backtrace::force_capture().to_string(),
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".into())
}
