//! Texts with quotes and brackets, within which signs are but letters.

/// The characters that stand outside of quotes, each with its place and the number of brackets that are open there. A bracket counts as
/// within itself.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char, usize)> {
    let mut before = None;
    let mut quote = None;
    let mut is_escaped = false;
    let mut depth = 0_usize;
    text.char_indices().filter_map(move |(place, letter)| {
        // What follows a letter is an apostrophe.
        let may_open = !before.replace(letter).is_some_and(char::is_alphanumeric);
        match (quote, letter) {
            (Some('"'), _) if is_escaped => is_escaped = false,
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if may_open => quote = Some(letter),
            (None, '[') => {
                depth += 1;
                return Some((place, letter, depth));
            }
            (None, ']') => {
                let within = depth;
                depth = depth.saturating_sub(1);
                return Some((place, letter, within));
            }
            (None, _) => return Some((place, letter, depth)),
        }
        None
    })
}

/// The parts of a text between commas outside of quotes and brackets.
pub(crate) fn commas(text: &str) -> impl Iterator<Item = &str> {
    let commas = unquoted(text).filter(|(_, letter, depth)| *letter == ',' && *depth == 0);
    let ends = commas.map(|(place, ..)| place).chain([text.len()]);
    let mut start = 0;
    ends.map(move |end| {
        let part = &text[start..end];
        start = end + 1;
        part
    })
}

/// A text without the comment at its end: a `#` outside of quotes, at the start or after a space.
pub(crate) fn comment(text: &str) -> &str {
    let is_free = |place: usize| {
        text[..place]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    let start = unquoted(text).find(|(place, letter, _)| *letter == '#' && is_free(*place));
    start.map_or(text, |(place, ..)| &text[..place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_within_quotes_and_brackets_part_nothing() {
        for (text, parts) in [
            ("", &[""][..]),
            ("a, b,", &["a", "b", ""]),
            ("a, \"b,c\", 'd,e'", &["a", "\"b,c\"", "'d,e'"]),
            (
                "a[version=\">=3.10,<3.12\", build=x], b",
                &["a[version=\">=3.10,<3.12\", build=x]", "b"],
            ),
            (r#""a\",b", c"#, &[r#""a\",b""#, "c"]),
            ("'a'',b', c", &["'a'',b'", "c"]),
            ("it's, b", &["it's", "b"]),
            ("a], b", &["a]", "b"]),
        ] {
            let found: Vec<_> = commas(text).map(str::trim).collect();
            assert_eq!(found, parts, "{text}");
        }
    }

    #[test]
    fn a_comment_starts_outside_of_quotes_and_after_a_space() {
        for (text, rest) in [
            ("# all", ""),
            ("a # b", "a "),
            ("a\t# b", "a\t"),
            ("a#b", "a#b"),
            ("'a # b' # c", "'a # b' "),
            ("[\"a # b\", c] # it's", "[\"a # b\", c] "),
            ("it's # ours", "it's "),
        ] {
            assert_eq!(comment(text), rest, "{text}");
        }
    }
}
