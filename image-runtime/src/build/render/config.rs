//! What a container of an image gets, as instructions.

use std::fmt::Write as _;

use super::Writer;
use super::words::{json, literal, quoted};
use crate::plan::Config;

/// Makes a directory for its second argument, and those above it, as far as they are not there.
const DIRECTORY: &str = "o=$2; m() { [ -z \"$1\" ] || [ -d \"$1\" ] || { m \"${1%/*}\" && mkdir \"$1\" && chown \"$o\" \"$1\"; }; }; m \"$1\"";

impl Writer {
    /// What a step runs in: environment, working directory, shell.
    pub(super) fn surroundings(&mut self, now: &mut Config, wanted: &Config) {
        for (name, value) in &wanted.env {
            let known = now.env.iter().find(|(known, _)| known == name);
            let is = known.map(|(_, value)| value.as_str());
            // What containers have where an image says nothing.
            let is = is.or((name == "PATH").then_some(crate::plan::DEFAULT_PATH));
            if is != Some(value) {
                let _ = writeln!(self.text, "ENV {name}={}", quoted(value));
                now.set(name, value);
            }
        }
        if now.shell != wanted.shell && !wanted.shell.is_empty() {
            let _ = writeln!(self.text, "SHELL {}", json(&wanted.shell));
            now.shell.clone_from(&wanted.shell);
        }
        if now.workdir != wanted.workdir {
            if !wanted.user.is_empty() {
                self.directory(now, &wanted.workdir, &wanted.user);
            }
            let _ = writeln!(self.text, "WORKDIR {}", literal(&wanted.workdir));
            now.workdir.clone_from(&wanted.workdir);
        }
    }

    /// A directory of somebody's: the older builder makes them for root.
    pub(super) fn directory(&mut self, now: &mut Config, path: &str, of: &str) {
        self.user(now, "");
        self.command(&["sh", "-c", DIRECTORY, "sh", path, &owner(of)]);
    }

    pub(super) fn user(&mut self, now: &mut Config, wanted: &str) {
        if now.user != wanted {
            let user = if wanted.is_empty() { "0" } else { wanted };
            let _ = writeln!(self.text, "USER {}", literal(user));
            wanted.clone_into(&mut now.user);
        }
    }

    /// What starts in containers of the image, and what is said of them.
    pub(super) fn started(&mut self, now: &Config, wanted: &Config) {
        if now.entrypoint != wanted.entrypoint {
            let _ = writeln!(self.text, "ENTRYPOINT {}", json(&wanted.entrypoint));
        }
        if now.cmd != wanted.cmd && !(wanted.cmd.is_empty() && now.entrypoint != wanted.entrypoint)
        {
            let _ = writeln!(self.text, "CMD {}", json(&wanted.cmd));
        }
        for (name, value) in &wanted.labels {
            let _ = writeln!(self.text, "LABEL {}={}", quoted(name), quoted(value));
        }
        for port in &wanted.exposed {
            let _ = writeln!(self.text, "EXPOSE {}", literal(port));
        }
        if !wanted.volumes.is_empty() {
            let _ = writeln!(self.text, "VOLUME {}", json(&wanted.volumes));
        }
        if !wanted.stop_signal.is_empty() {
            let _ = writeln!(self.text, "STOPSIGNAL {}", literal(&wanted.stop_signal));
        }
        if let Some(check) = &wanted.healthcheck {
            let flags = [
                ("interval", check.interval),
                ("timeout", check.timeout),
                ("start-period", check.start_period),
            ];
            let mut line = "HEALTHCHECK".to_owned();
            for (name, nanoseconds) in flags.into_iter().filter(|(_, time)| *time > 0) {
                let _ = write!(line, " --{name}={nanoseconds}ns");
            }
            if check.retries > 0 {
                let _ = write!(line, " --retries={}", check.retries);
            }
            let _ = match &check.test[..] {
                [kind, command] if kind == "CMD-SHELL" => {
                    writeln!(self.text, "{line} CMD {command}")
                }
                [kind, argv @ ..] if kind == "CMD" => {
                    writeln!(self.text, "{line} CMD {}", json(argv))
                }
                _ => writeln!(self.text, "{line} NONE"),
            };
        }
    }
}

/// A user, or a user and a group, as `chown` has them: without a group, with the user's own.
pub(super) fn owner(of: &str) -> String {
    match (of.contains(':'), of.parse::<u32>()) {
        (true, _) => of.to_owned(),
        (false, Ok(number)) => format!("{number}:{number}"),
        (false, Err(_)) => format!("{of}:"),
    }
}
