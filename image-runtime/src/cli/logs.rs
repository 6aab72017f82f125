//! `logs`: what functions printed, on stdout.

use std::time::{Duration, SystemTime};

use super::args::Logs;
use super::printer::Printer;
use super::{Fault, list, names_help};
use crate::client::is_of;
use crate::rfc3339::rfc3339;
use crate::store::{LogLine, Store};

/// How often to look whether something was printed.
const LOOK: Duration = Duration::from_millis(200);

pub(super) async fn run(
    arguments: &Logs,
    package: &'static str,
    printer: &Printer,
) -> Result<(), Fault> {
    let name = arguments.name.as_deref();
    let name = name.map(|name| Wanted {
        name,
        is_app: list::is_app(name, package),
    });
    let store = Store::open().map_err(|error| Fault::failed(&error))?;
    let mut logs = store.logs();
    let mut next = || {
        let lines = logs.more();
        lines.map_err(|error| Fault::Failed(format!("the logs cannot be read: {error}")))
    };
    let mut lines = next()?;
    if let Some(wanted @ Wanted { name, .. }) = name
        && !arguments.follow
        && !wanted.is_known(&lines)
    {
        let help = names_help("function", name, &list::callable());
        // Something may have been kept a moment ago, so this is no wrong usage.
        return Err(Fault::Failed(format!(
            "nothing is kept of a function or container `{name}`\n  help: {help}\n  help: `logs` without a name shows all that is"
        )));
    }
    let mut oldest = oldest(arguments);
    loop {
        lines.retain(|line| line.at_ms >= oldest && name.is_none_or(|name| name.means(line)));
        if !printer.lines(&lines, text) || !arguments.follow {
            return Ok(());
        }
        // What is printed from now on is new, whatever the clock says then.
        oldest = 0;
        tokio::time::sleep(LOOK).await;
        lines = next()?;
    }
}

/// From when on lines are shown, in milliseconds since 1970.
fn oldest(arguments: &Logs) -> u64 {
    let Some(ago) = arguments.since else {
        return 0;
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let from = now.unwrap_or_default().saturating_sub(ago.0);
    u64::try_from(from.as_millis()).unwrap_or(u64::MAX)
}

/// Whose lines are shown.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    name: &'a str,
    /// Whether that is what this program is deployed as: all its functions are meant.
    is_app: bool,
}

impl Wanted<'_> {
    fn is_known(self, lines: &[LogLine]) -> bool {
        self.is_app || list::is_function(self.name) || lines.iter().any(|line| self.means(line))
    }

    fn means(self, line: &LogLine) -> bool {
        let Self { name, is_app } = self;
        line.container == name
            || is_of(&line.function, name)
            || (is_app && list::is_function(&line.function))
    }
}

fn text(line: &LogLine) -> String {
    let LogLine {
        function,
        container,
        line: printed,
        ..
    } = line;
    format!(
        "{} {function}/{container} │ {printed}",
        rfc3339(line.at_ms / 1000)
    )
}
