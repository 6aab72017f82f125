//! Hides the values of secrets in texts for people.

/// What stands where a value stood.
const HIDDEN: &str = "***";

/// Texts that must not be seen.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Hides these values: whole, each line of one that has several, and as they stand in a URL and in JSON.
    pub fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut hidden: Vec<String> = Vec::new();
        for value in values {
            let lines = value.lines().map(str::trim);
            for text in [value].into_iter().chain(lines) {
                hidden.extend([text.to_owned(), in_url(text)]);
                hidden.extend(in_json(text));
            }
        }
        hidden.retain(|text| !text.is_empty());
        // What holds another one is hidden first, so that nothing of it stays.
        hidden.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
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

    /// The beginning of a text without the values, and without that of one that may go on after it.
    pub fn apply_to_beginning(&self, mut text: String) -> String {
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        let begins = |end: &str| self.0.iter().any(|hidden| hidden.starts_with(end));
        let mut starts = text.char_indices().map(|(start, _)| start);
        if let Some(start) = starts.find(|start| begins(&text[*start..])) {
            text.replace_range(start.., HIDDEN);
        }
        self.apply(text)
    }

    /// Where a text whose end is still to come can be cut: before everything of which more may follow, and within no value. At
    /// its beginning where there is no such place yet.
    pub fn cut(&self, text: &[u8]) -> usize {
        // No character is longer than four bytes.
        let longest = self.0.first().map_or(4, |value| value.len().max(4));
        let mut cut = (text.len() + 1).saturating_sub(longest);
        loop {
            // No character is cut, either.
            while cut > 0 && text.get(cut).is_some_and(|byte| byte & 0xc0 == 0x80) {
                cut -= 1;
            }
            let values = self.0.iter().map(String::as_bytes);
            let around = values.filter_map(|value| {
                let begin = (cut + 1).saturating_sub(value.len());
                let near = &text[begin..text.len().min(cut + value.len() - 1)];
                let at = near.windows(value.len()).position(|found| found == value);
                at.map(|at| begin + at).filter(|at| *at < cut)
            });
            match around.min() {
                Some(begin) => cut = begin,
                None => return cut,
            }
        }
    }
}

/// Nothing of what is hidden.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

/// A text as part of a string of JSON, by those who write every character and by those who write ASCII only.
fn in_json(text: &str) -> [String; 2] {
    let quoted = serde_json::Value::from(text).to_string();
    let whole = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::new();
    for character in whole.chars() {
        match character.is_ascii() {
            true => ascii.push(character),
            false => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units).iter();
                ascii.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    [whole, ascii]
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

    #[test]
    fn values_are_hidden_as_json_has_them() {
        let value = "a \"b\"\\\n\tü😀";
        let mask = Mask::of([value, value].into_iter());
        let written = serde_json::json!({ "key": value }).to_string();
        assert_eq!(mask.apply(written), "{\"key\":\"***\"}");
        let ascii = "'a \\\"b\\\"\\\\\\n\\t\\u00fc\\ud83d\\ude00'";
        assert_eq!(mask.apply(ascii.to_owned()), "'***'");
        let mut once = mask.0.clone();
        once.dedup();
        assert_eq!(once, mask.0, "each once");
    }

    #[test]
    fn a_text_is_cut_within_no_value_and_no_character() {
        let mask = Mask::of(["secret", "set"].into_iter());
        for (text, cut) in [
            ("", 0),
            ("se", 0),
            ("nothing at all", 9),
            // A whole value stays whole, and so does one that it may be the beginning of.
            ("1234 secret", 5),
            ("1234 secret1", 5),
            ("1234 secret1234", 5),
            ("1234 secret12345", 11),
            // Two that hang together.
            ("1 secret345", 2),
            ("12 tüüüürx", 8),
        ] {
            assert_eq!(mask.cut(text.as_bytes()), cut, "{text}");
        }
        let all = "secretset tür secretsecrets".repeat(20);
        for end in 0..all.len() {
            let cut = mask.cut(&all.as_bytes()[..end]);
            let halves = [&all[..cut], &all[cut..]].map(|half| mask.apply(half.to_owned()));
            assert_eq!(halves.concat(), mask.apply(all.clone()));
        }
        assert_eq!(Mask::default().cut(b"text"), 1);
    }

    #[test]
    fn a_value_of_which_only_the_beginning_is_there_is_hidden() {
        let mask = Mask::of(["secret"].into_iter());
        for (text, seen) in [
            ("a secret and a sec", "a *** and a ***"),
            ("a sec\u{fffd}", "a ***"),
            ("a secret", "a ***"),
            ("all", "all"),
        ] {
            assert_eq!(mask.apply_to_beginning(text.to_owned()), seen);
        }
    }
}
