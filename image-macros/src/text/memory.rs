//! Amounts of memory: `512MiB`, `4GiB`, `1.5GB`.

use crate::diag::Fault;

const UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Less no engine gives: a process could not even start.
const LEAST: u64 = 6 << 20;

/// Reads an amount of memory; answers the bytes.
pub(crate) fn parse(text: &str) -> Result<u64, Fault> {
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let wrong = |reason: String, help: String| {
        Err(Fault::new(format!("{text:?} is not an amount of memory: {reason}")).help(help))
    };
    let example = || "a number with `MiB` or `GiB`, such as \"512MiB\" or \"4GiB\"".to_owned();
    let Some(bytes) = amount(number) else {
        return wrong("a number is expected first".to_owned(), example());
    };
    let unit = unit.trim_start();
    let unit_as_meant = unit.to_ascii_lowercase();
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        // `4g` is what Docker takes, and means `4GiB` there.
        let meant = UNITS.iter().find(|(name, _)| {
            let name = name.to_ascii_lowercase();
            name == unit_as_meant || name.strip_suffix("ib") == Some(&unit_as_meant)
        });
        let reason = match unit {
            "" => format!("`{number}` needs a unit"),
            _ => format!("there is no unit `{unit}`"),
        };
        let help = meant.map(|(name, _)| format!("write \"{number}{name}\""));
        return wrong(reason, help.unwrap_or_else(example));
    };
    let bytes = bytes * *factor as f64;
    if bytes < LEAST as f64 {
        let help = "a process could not even start in less than 6 MiB".to_owned();
        return wrong("it is too little".to_owned(), help);
    }
    if bytes > i64::MAX as f64 {
        return wrong("it is too much".to_owned(), example());
    }
    Ok(bytes as u64)
}

/// `4`, `1.5`
fn amount(number: &str) -> Option<f64> {
    let begins = number.starts_with(|c: char| c.is_ascii_digit());
    let ends = number.ends_with(|c: char| c.is_ascii_digit());
    number.parse().ok().filter(|_| begins && ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numbers_with_units() {
        for (text, bytes) in [
            ("6MiB", 6 << 20),
            ("512 MiB", 512 << 20),
            ("4GiB", 4 << 30),
            ("1.5GiB", 3 << 29),
            ("2TB", 2_000_000_000_000),
            ("7000kB", 7_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_amount_and_the_right_one_is_said() {
        for (text, says) in [
            ("", "number is expected"),
            ("GiB", "number is expected"),
            (".5GiB", "number is expected"),
            ("-4GiB", "number is expected"),
            ("4", "needs a unit"),
            ("4g", "write \"4GiB\""),
            ("512mb", "write \"512MB\""),
            ("4Gi", "such as"),
            ("1MiB", "too little"),
            ("99999999TiB", "too much"),
        ] {
            let text = parse(text).unwrap_err().text();
            assert!(text.contains(says), "{text}");
        }
    }
}
