//! Durations: `250ms`, `90s`, `5m`, `1h30m`.

use std::time::Duration;

use crate::diag::{Fault, nearest};

/// Largest first: a duration names each at most once, in this order.
const UNITS: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What people write for the units, in their order.
const LONG: [&str; 4] = ["hours", "minutes", "seconds", "milliseconds"];

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, Fault> {
    let wrong = |reason: &str, meant: Option<String>| {
        // What is advised must be right itself.
        let meant = meant.filter(|meant| read(meant).is_ok());
        Fault::new(format!("{text:?} is not a duration: {reason}"))
            .help("whole numbers with `h`, `m`, `s` or `ms`, such as \"90s\", \"5m\" or \"1h30m\"")
            .maybe_help(meant.map(|meant| format!("write \"{meant}\"")))
    };
    let compact: String = text.split_whitespace().collect();
    match read(&compact) {
        Ok(_) if compact != text => Err(wrong("it holds a space", Some(compact))),
        Ok(duration) => Ok(duration),
        Err(Wrong::Reason(reason)) => Err(wrong(&reason, None)),
        Err(Wrong::Unit(unit)) => {
            let meant = nearest(&unit.to_ascii_lowercase(), LONG).and_then(|near| {
                let index = LONG.iter().position(|long| *long == near)?;
                Some(compact.replacen(&unit, UNITS[index].0, 1))
            });
            Err(wrong(&format!("there is no unit `{unit}`"), meant))
        }
    }
}

/// Why a text is no duration.
enum Wrong {
    Reason(String),
    /// There is no such unit.
    Unit(String),
}

fn read(text: &str) -> Result<Duration, Wrong> {
    let wrong = |reason: &str| Wrong::Reason(reason.to_owned());
    let mut rest = text;
    let mut units = UNITS;
    let mut total: u64 = 0;
    if text.is_empty() {
        return Err(wrong("it is empty"));
    }
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
        if digits.is_empty() {
            return Err(wrong("a number is expected first"));
        }
        if unit.is_empty() {
            return Err(wrong(&format!("`{digits}` needs a unit")));
        }
        let Some(index) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(match UNITS.iter().any(|(name, _)| *name == unit) {
                true => wrong("units go from the largest to the smallest, each once"),
                false => Wrong::Unit(unit.to_owned()),
            });
        };
        total = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(units[index].1))
            .and_then(|milliseconds| total.checked_add(milliseconds))
            .ok_or_else(|| wrong("it is too long"))?;
        units = &units[index + 1..];
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("90s", 90_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("0s", 0),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_duration() {
        for text in [
            "", "5", "m", "5 m", "5min", "1.5h", "-5s", "30m1h", "1s1s", "5d", "5m ",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        for (text, says) in [
            ("5 minuts", "there is no unit `minuts`\nhelp: write \"5m\""),
            ("1 sec", "there is no unit `sec`\nhelp: write \"1s\""),
            ("2HOUR", "there is no unit `HOUR`\nhelp: write \"2h\""),
            ("5 days", "there is no unit `days`\nhelp: whole numbers"),
            (
                "1 h 30 minutes",
                "there is no unit `minutes`\nhelp: write \"1h30m\"",
            ),
            ("5 m", "it holds a space\nhelp: write \"5m\""),
        ] {
            let text = parse(text).unwrap_err().text();
            assert!(text.contains(says), "{text}");
        }
        assert!(parse("99999999999999999999s").is_err());
        assert!(parse("18446744073709551615h").is_err());
    }
}
