//! Output: JSON to stdout, text for people to stderr, results to stdout.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

/// Prints what commands have to say.
pub(super) struct Printer {
    json: bool,
    /// Whether anything was printed that programs read.
    has_printed: AtomicBool,
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            has_printed: AtomicBool::new(false),
        }
    }

    /// A report: as JSON on stdout, or for people on stderr.
    pub(super) fn report(&self, report: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.result(report);
        } else {
            to(io::stderr().lock(), &text());
        }
    }

    /// What other programs read: on stdout in any case, as JSON if that was asked for.
    pub(super) fn output(&self, report: &impl Serialize, text: &str) {
        if self.json {
            self.result(report);
        } else {
            to(io::stdout().lock(), text);
        }
    }

    /// Lines that other programs read, as they come: of each the record as JSON, or its text. Answers whether anybody still reads.
    pub(super) fn lines<T: Serialize>(&self, records: &[T], text: impl Fn(&T) -> String) -> bool {
        self.has_printed
            .fetch_or(!records.is_empty(), Ordering::Relaxed);
        let mut stdout = io::stdout().lock();
        let mut print = |record: &T| match self.json {
            true => writeln!(
                stdout,
                "{}",
                serde_json::to_string(record).expect("records have string keys")
            ),
            false => writeln!(stdout, "{}", text(record)),
        };
        records.iter().all(|record| print(record).is_ok())
    }

    /// Something to read while the work goes on; what is asked for as JSON has it in its report.
    pub(super) fn say(&self, text: &str) {
        if !self.json {
            to(io::stderr().lock(), text);
        }
    }

    /// A result that is asked for as JSON in any case.
    pub(super) fn result(&self, result: &impl Serialize) {
        let _ = self.write(result);
    }

    /// The same where it is all that a command is for. Answers whether anybody still reads.
    pub(super) fn write(&self, result: &impl Serialize) -> io::Result<bool> {
        self.has_printed.store(true, Ordering::Relaxed);
        let text = serde_json::to_string_pretty(result).expect("reports have string keys");
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// What is not as it should be, although the work was done.
    pub(super) fn warn(&self, text: &str) {
        to(io::stderr().lock(), &format!("warning: {text}"));
    }

    /// An error, for people.
    pub(super) fn error(&self, text: &str) {
        to(io::stderr().lock(), &format!("error: {text}"));
    }

    /// Why a command did not do its work: for people, and where there is no report, in place of it.
    pub(super) fn errors(&self, errors: &[&str]) {
        errors.iter().for_each(|text| self.error(text));
        if self.json && !self.has_printed.load(Ordering::Relaxed) {
            self.result(&serde_json::json!({ "errors": errors }));
        }
    }
}

/// Prints lines; a reader that has gone away is no failure of ours.
fn to(mut stream: impl Write, text: &str) {
    let _ = writeln!(stream, "{}", text.trim_end());
}

/// `1 layer`, `2 layers`
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Rows as columns, two spaces between them.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(header);
    for row in rows {
        text += &line(std::array::from_fn(|column| row[column].as_str()));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["ML".to_owned(), "a.rs:1".to_owned()],
            ["PLOT → 2".to_owned(), String::new()],
        ];
        assert_eq!(
            super::table(["IMAGE", "PLACE"], &rows),
            "IMAGE     PLACE\nML        a.rs:1\nPLOT → 2\n"
        );
    }
}
