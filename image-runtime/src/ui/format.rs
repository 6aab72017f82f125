//! How durations, sizes and long texts are written, for all that people read.

use std::time::Duration;

/// `340 ms`, `1.2 s`, `1 min 5 s`, `2 h 3 min`.
pub fn duration(duration: Duration) -> String {
    // Rounded first, so that nothing is ever written as 60 s or 1000 ms.
    let milliseconds = duration.as_millis();
    let tenths = (milliseconds + 50) / 100;
    let seconds = (milliseconds + 500) / 1000;
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        self::seconds(u64::try_from(seconds).unwrap_or(u64::MAX))
    }
}

/// `5 s`, `1 min 5 s`, `2 h 3 min`: of work that still runs.
pub fn seconds(seconds: u64) -> String {
    if seconds < 60 {
        format!("{seconds} s")
    } else if seconds < 3600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
    }
}

/// `999 B`, `12.3 kB`, `4.5 MB`, `1.0 GB`: powers of 1000.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 1000;
    let mut units = ["kB", "MB", "GB", "TB"].iter().peekable();
    while let Some(name) = units.next() {
        let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
        if tenths < 10_000 || units.peek().is_none() {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit *= 1000;
    }
    unreachable!("the last unit takes all sizes")
}

/// At most so many characters, the last a `…` where some are left out.
pub fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A line that a program printed for a terminal, without what steers one: only what would be seen of it in the end.
pub fn visible(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(char) = rest.next() {
        match char {
            '\u{1b}' => skip_escape(&mut rest),
            '\t' => text.push(' '),
            char if char.is_control() => {}
            char => text.push(char),
        }
    }
    text
}

/// Skips an escape sequence after its first character: `ESC [ … letter`, `ESC ] … BEL` or `ESC ] … ESC \`, or two characters.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => {
            rest.find(|char| ('@'..='~').contains(char));
        }
        Some(']') => {
            let end = rest.find(|char| matches!(char, '\u{7}' | '\u{1b}'));
            if end == Some('\u{1b}') {
                rest.next();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_fitting_unit() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (340, "340 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (1249, "1.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (65_000, "1 min 5 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 0 min"),
            (7_380_000, "2 h 3 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn sizes_have_a_fitting_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1_000_000_000, "1.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn long_texts_are_shortened_by_characters() {
        assert_eq!(shorten("żółw", 4), "żółw");
        assert_eq!(shorten("żółwie", 4), "żół…");
    }

    #[test]
    fn only_what_a_terminal_would_show_in_the_end_is_visible() {
        for (line, seen) in [
            ("plain", "plain"),
            ("\u{1b}[1;32mgreen\u{1b}[0m text", "green text"),
            ("10%\r50%\r100%", "100%"),
            ("done\r", "done"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("a\tb\u{8}\u{0}", "a b"),
            ("cut \u{1b}[", "cut "),
        ] {
            assert_eq!(visible(line), seen);
        }
    }
}
