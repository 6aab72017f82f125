//! Hides the values of secrets in texts for people.

/// What stands where a value stood.
const HIDDEN: &str = "***";

/// Texts that must not be seen.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Hides these values: whole, each line of one that has several, and as they stand in a URL.
    pub fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut hidden: Vec<String> = Vec::new();
        for value in values {
            let lines = value.lines().map(str::trim);
            for text in [value].into_iter().chain(lines) {
                hidden.extend([text.to_owned(), in_url(text)]);
            }
        }
        hidden.retain(|text| !text.is_empty());
        // What holds another one is hidden first, so that nothing of it stays.
        hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
        hidden.dedup();
        Self(hidden)
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without the values.
    pub fn apply(&self, text: String) -> String {
        self.0
            .iter()
            .fold(text, |text, hidden| match text.contains(hidden) {
                true => text.replace(hidden, HIDDEN),
                false => text,
            })
    }
}

/// Nothing of what is hidden.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

/// A text as part of a URL.
pub(super) fn in_url(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => encoded.push(byte.into()),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        let mask =
            Mask::of(["hunter2", "a b/c", "line one\nline two\n", "", "hunter22"].into_iter());
        for (text, seen) in [
            ("token=hunter2;", "token=***;"),
            ("hunter22", "***"),
            ("https://u:a%20b%2Fc@h", "https://u:***@h"),
            ("line two", "***"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(mask.apply(text.to_owned()), seen);
        }
        assert!(Mask::of([""].into_iter()).is_empty());
    }
}
