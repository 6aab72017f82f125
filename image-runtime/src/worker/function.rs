//! A function that runs while an image is built: in a process of its own, the worker's program started again. So its environment is
//! that of its step, all that it left running ends with it, and its words are those of the step.

use std::io::{self, Write as _};
use std::path::Path;
use std::process;

use super::current::Ticket;
use super::invoke::Functions;
use super::supervise::this_command;
use super::{inside, serve};
use crate::protocol::{called, payload};
use crate::spec::Failure;

/// What a [`Command`](crate::protocol::Command) names to have a function run: no program. The argument is the function's name.
pub(crate) const FUNCTION: &str = "/dev/image-runtime/function";

/// Names the function to the process that is to run it.
const VARIABLE: &str = "IMAGE_RUNTIME_FUNCTION";

/// The process that runs a function, and the variable by which it knows that.
pub(super) fn command(name: &str) -> io::Result<(process::Command, [(&'static str, &str); 1])> {
    Ok((this_command()?, [(VARIABLE, name)]))
}

/// Runs the function that this process was started for, and ends the process; returns where it was started for none.
pub fn run_named_function() {
    let Ok(name) = std::env::var(VARIABLE) else {
        return;
    };
    if !Path::new(inside::EXECUTABLE).exists() {
        return;
    }
    serve::SERVING.store(true, std::sync::atomic::Ordering::Relaxed);
    let ended = run(&name);
    if let Err(why) = &ended {
        let _ = writeln!(io::stderr(), "error: {why}");
    }
    let _ = io::stdout().flush();
    process::exit(i32::from(ended.is_err()));
}

fn run(name: &str) -> Result<(), String> {
    let nothing = payload::join(&(), None)?;
    let body = [&nothing, name.as_bytes(), &called::length_of(name)].concat();
    match Functions::new().call(Ticket::default(), body) {
        // What it returns goes nowhere.
        Ok(_) | Err(Failure::Encoding { .. }) => Ok(()),
        Err(Failure::Returned { chain }) => Err(chain.join(": ")),
        Err(Failure::Panicked {
            message,
            place,
            backtrace,
        }) => Err(format!(
            "it panicked at {place}: {message}\n{}",
            backtrace.trim_end()
        )),
        Err(Failure::Unable { reason }) => Err(reason),
        Err(Failure::UnknownFunction { name }) => {
            Err(format!("the worker has no function `{name}`"))
        }
    }
}
