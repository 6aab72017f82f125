//! Keeps the last lines that a process wrote.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const LINES: usize = 50;
const LONGEST: usize = 4096;

/// The last lines of an output of any length.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    whole: VecDeque<String>,
    /// The line that has no end yet.
    open: Vec<u8>,
}

impl Tail {
    /// Takes what was written next.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LONGEST.saturating_sub(lines.open.len()).min(text.len());
            lines.open.extend_from_slice(&text[..room]);
            if text.len() < part.len() {
                let line = String::from_utf8_lossy(&lines.open)
                    .trim_end_matches('\r')
                    .to_owned();
                lines.open.clear();
                lines.whole.push_back(line);
                if lines.whole.len() > LINES {
                    lines.whole.pop_front();
                }
            }
        }
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open =
            (!lines.open.is_empty()).then(|| String::from_utf8_lossy(&lines.open).into_owned());
        lines.whole.iter().cloned().chain(open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_from_any_pieces() {
        let tail = Tail::default();
        for piece in ["on", "e\r\ntw", "o\n\nthr", "ee"] {
            tail.push(piece.as_bytes());
        }
        assert_eq!(tail.lines(), ["one", "two", "", "three"]);
    }

    #[test]
    fn only_the_last_lines_are_kept_and_none_is_endless() {
        let tail = Tail::default();
        for number in 0..1000 {
            tail.push(format!("{number}\n").as_bytes());
        }
        assert_eq!(tail.lines().len(), LINES);
        assert_eq!(tail.lines().last().unwrap(), "999");
        for _ in 0..100 {
            tail.push(&[b'x'; 1000]);
        }
        assert_eq!(tail.lines().last().unwrap().len(), LONGEST);
    }
}
