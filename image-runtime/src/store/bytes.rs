//! Sizes as people write them: `20GB`, `1.5 GiB`, `500000`.

use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let end = text.find(|c: char| c.is_ascii_alphabetic());
            let (number, unit) = text.split_at(end.unwrap_or(text.len()));
            let unit = match unit.trim().to_ascii_uppercase().as_str() {
                "" => 1,
                unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
            };
            let (whole, part) = number
                .trim()
                .split_once('.')
                .unwrap_or((number.trim(), "0"));
            let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
            if !is_number(part) || part.len() > 9 {
                return None;
            }
            let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
            let part = part.parse::<u128>().ok()? * u128::from(unit) / scale;
            let whole = is_number(whole).then(|| whole.parse::<u64>().ok())??;
            whole
                .checked_mul(unit)?
                .checked_add(u64::try_from(part).ok()?)
        };
        parse()
            .map(Self)
            .ok_or_else(|| "a size is a number with a unit: `20GB`, `1.5GiB`, `500MB`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_the_units_that_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("20GB", 20_000_000_000),
            ("20 gb", 20_000_000_000),
            ("1.5GiB", 3 << 29),
            ("0.25kB", 250),
            ("7", 7),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_what_one_is() {
        for text in [
            "",
            "GB",
            "-1GB",
            "1.GB",
            "1,5GB",
            "+1",
            "20 G B",
            "5parsecs",
            "99999999TB",
        ] {
            let error = text.parse::<Bytes>().unwrap_err();
            assert!(error.contains("`20GB`"), "{text}");
        }
    }
}
