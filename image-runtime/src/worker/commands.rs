//! Runs the commands of a build step inside the container.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, ExitStatus, Stdio};

use super::function::{self, FUNCTION};
use super::inspect::{INSPECT, inspect};
use super::lent::{HOLD, LINK, SECRET, UNLINK, hold, keep_secret, link, unlink};
use super::pack::{PACK, pack};
use super::supervise::end_everything_else;
use crate::protocol::{Command, RunOutcome};

/// Runs a command to its end. What it left running is ended too: a layer is saved when nothing writes any more.
pub(super) fn run(command: &Command) -> io::Result<RunOutcome> {
    let own = match command.argv.split_first().map(|(p, a)| (p.as_str(), a)) {
        Some((PACK, arguments)) => Some(pack(arguments)),
        Some((LINK, arguments)) => Some(link(arguments)),
        Some((UNLINK, arguments)) => Some(unlink(arguments)),
        Some((HOLD, arguments)) => Some(hold(arguments)),
        Some((SECRET, arguments)) => Some(keep_secret(arguments, &command.env)),
        Some((INSPECT, arguments)) => Some(inspect(arguments)),
        _ => None,
    };
    if let Some(done) = own {
        return Ok(match done {
            Ok(()) => RunOutcome::Exited(0),
            Err(error) => RunOutcome::NotStarted(error.to_string()),
        });
    }
    let outcome = match status(command) {
        Ok(status) => match status.code() {
            Some(code) => RunOutcome::Exited(code),
            None => RunOutcome::Signaled(status.signal().unwrap_or(0)),
        },
        Err(outcome) => outcome,
    };
    end_everything_else()?;
    Ok(outcome)
}

fn status(command: &Command) -> Result<ExitStatus, RunOutcome> {
    let not_started = |reason: String| RunOutcome::NotStarted(reason);
    let (program, arguments) = command
        .argv
        .split_first()
        .ok_or_else(|| not_started("the command is empty".to_owned()))?;
    let workdir = Path::new(&command.workdir);
    std::fs::create_dir_all(workdir).map_err(|error| {
        not_started(format!(
            "the working directory `{}` cannot be made: {error}",
            command.workdir
        ))
    })?;
    let (mut process, named) = match arguments {
        [name] if program == FUNCTION => {
            let (process, named) =
                function::command(name).map_err(|error| not_started(error.to_string()))?;
            (process, Some(named))
        }
        arguments => {
            let mut process = process::Command::new(program);
            process.args(arguments);
            (process, None)
        }
    };
    // Of the user that this process runs as, unless the image says another.
    let home = std::env::var_os("HOME").map(|home| ("HOME", home));
    process
        .env_clear()
        .envs(home)
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .envs(named.into_iter().flatten())
        .current_dir(workdir)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                RunOutcome::NotFound(format!("the image has no `{program}`"))
            }
            _ => not_started(format!("`{program}` cannot be started: {error}")),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome_of(argv: &[&str]) -> RunOutcome {
        run(&Command {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            workdir: "/".into(),
        })
        .unwrap()
    }

    #[test]
    fn a_command_tells_how_it_ended() {
        assert_eq!(outcome_of(&["sh", "-c", "exit 7"]), RunOutcome::Exited(7));
        assert_eq!(
            outcome_of(&["sh", "-c", "kill -9 $$"]),
            RunOutcome::Signaled(9)
        );
        assert_eq!(
            outcome_of(&["no-such-program"]),
            RunOutcome::NotFound("the image has no `no-such-program`".into())
        );
    }
}
