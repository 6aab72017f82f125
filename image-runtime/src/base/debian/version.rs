//! The order of Debian versions, as Debian Policy 5.6.12 has it.

use std::cmp::Ordering;

/// Compares two versions: `1:1.0~rc1-2` < `1:1.0-1`.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left) = split_epoch(left);
    let (right_epoch, right) = split_epoch(right);
    let (left_upstream, left_revision) = left.rsplit_once('-').unwrap_or((left, "0"));
    let (right_upstream, right_revision) = right.rsplit_once('-').unwrap_or((right, "0"));
    compare_numbers(left_epoch.as_bytes(), right_epoch.as_bytes())
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

/// Compares in turns what is no number and what is one.
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_at(left, |byte| byte.is_ascii_digit());
        let (right_text, right_rest) = split_at(right, |byte| byte.is_ascii_digit());
        let (left_number, left_rest) = split_at(left_rest, |byte| !byte.is_ascii_digit());
        let (right_number, right_rest) = split_at(right_rest, |byte| !byte.is_ascii_digit());
        let order = compare_text(left_text, right_text)
            .then_with(|| compare_numbers(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split_at(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(
        text.iter()
            .position(|byte| ends(*byte))
            .unwrap_or(text.len()),
    )
}

/// `~` comes before the end, the end before letters, letters before all else.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|index| weight(left.get(index)).cmp(&weight(right.get(index))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Compares digits of any length.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_at(left, |byte| byte != b'0');
    let (_, right) = split_at(right, |byte| byte != b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_order_of_policy() {
        let ascending = [
            "~~",
            "~~a",
            "~",
            "0",
            "1.0~beta1~svc1245",
            "1.0~beta1",
            "1.0",
            "1.0-0+b1",
            "1.0-0.1",
            "1.0-1~bpo1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u9",
            "1.0-1+deb12u10",
            "1.0-9",
            "1.0-10",
            "1.0a",
            "1.0+dfsg",
            "1.0.1",
            "1.2",
            "1.10",
            "1:0.1",
            "2:0",
            "10:0",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        for (left, right) in [
            ("1.0", "0:1.0"),
            ("1.0", "1.0-0"),
            ("1.01", "1.1"),
            ("1.a", "1.a0"),
            ("0", "000"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn a_number_longer_than_any_integer_is_compared() {
        let long = "9".repeat(60);
        assert_eq!(compare(&long, &format!("1{long}")), Ordering::Less);
    }
}
