//! Keeps the last lines that a process wrote.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const LINES: usize = 50;
/// Lines are cut after so many bytes.
pub(crate) const LONGEST: usize = 4096;

/// Which output a piece comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

/// The last lines of an output of any length.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    whole: VecDeque<String>,
    /// The lines that have no end yet: one of the standard output, one of the standard error.
    open: [Vec<u8>; 2],
}

impl Tail {
    /// Takes what was written next.
    pub(crate) fn push(&self, from: Output, piece: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Lines { whole, open } = &mut *lines;
        let open = &mut open[from as usize];
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LONGEST.saturating_sub(open.len()).min(text.len());
            open.extend_from_slice(&text[..room]);
            if text.len() < part.len() {
                whole.push_back(
                    String::from_utf8_lossy(open)
                        .trim_end_matches('\r')
                        .to_owned(),
                );
                open.clear();
            }
            if whole.len() > LINES {
                whole.pop_front();
            }
        }
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = lines.open.iter().filter(|line| !line.is_empty());
        let open = open.map(|line| String::from_utf8_lossy(line).into_owned());
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
            tail.push(Output::Stdout, piece.as_bytes());
        }
        assert_eq!(tail.lines(), ["one", "two", "", "three"]);
    }

    #[test]
    fn lines_of_output_and_errors_are_not_mixed() {
        let tail = Tail::default();
        tail.push(Output::Stdout, b"half ");
        tail.push(Output::Stderr, b"an error\n");
        tail.push(Output::Stdout, b"a line\n");
        assert_eq!(tail.lines(), ["an error", "half a line"]);
    }

    #[test]
    fn only_the_last_lines_are_kept_and_none_is_endless() {
        let tail = Tail::default();
        for number in 0..1000 {
            tail.push(Output::Stdout, format!("{number}\n").as_bytes());
        }
        assert_eq!(tail.lines().len(), LINES);
        assert_eq!(tail.lines().last().unwrap(), "999");
        for _ in 0..100 {
            tail.push(Output::Stdout, &[b'x'; 1000]);
        }
        assert_eq!(tail.lines().last().unwrap().len(), LONGEST);
    }
}
