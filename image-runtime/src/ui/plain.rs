//! Lines only: for files, pipes, CI and tests.

use std::io::Write;

use super::{Line, Matter};

/// Writes the lines that matter enough.
pub(super) struct Plain {
    output: Box<dyn Write + Send>,
    least: Matter,
}

impl Plain {
    pub(super) fn new(output: Box<dyn Write + Send>, least: Matter) -> Self {
        Self { output, least }
    }

    pub(super) fn show(&mut self, line: Option<&Line>) {
        if let Some(line) = line.filter(|line| line.matter >= self.least) {
            // In one write, so that lines of several processes do not mix. Nobody may be reading any more: no reason to stop working.
            let _ = self.output.write_all(format!("{}\n", line.text).as_bytes());
        }
    }
}
