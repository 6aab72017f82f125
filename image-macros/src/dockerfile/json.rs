//! The exec form of a command: a JSON array of strings.

/// What stands where a JSON array may stand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Array {
    /// No array: the shell form.
    No,
    /// An array of strings.
    Strings(Vec<String>),
    /// An array that holds something else.
    Mixed,
}

/// Reads an array.
pub(super) fn array(text: &str) -> Array {
    let text = text.trim();
    let Some(inside) = text.strip_prefix('[') else {
        return Array::No;
    };
    let mut rest = inside.trim_start();
    let mut strings = Vec::new();
    if let Some(after) = rest.strip_prefix(']') {
        return end(after, strings);
    }
    loop {
        let Some((string, after)) = string(rest) else {
            return if is_other(rest) {
                Array::Mixed
            } else {
                Array::No
            };
        };
        strings.push(string);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(']') {
            return end(after, strings);
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => return Array::No,
        }
    }
}

/// Whether a number or a word of JSON comes next, as an item.
fn is_other(text: &str) -> bool {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let item = &text[..text.len() - after.len()];
    let known = item.parse::<f64>().is_ok() || ["true", "false", "null"].contains(&item);
    known && after.trim_start().starts_with([',', ']'])
}

fn end(after: &str, strings: Vec<String>) -> Array {
    match after.trim() {
        "" => Array::Strings(strings),
        _ => Array::No,
    }
}

/// A string at the beginning of a text, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.chars();
    let mut string = String::new();
    loop {
        let c = match characters.next()? {
            '"' => return Some((string, characters.as_str())),
            '\\' => match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => unicode(&mut characters)?,
                same @ ('"' | '\\' | '/') => same,
                _ => return None,
            },
            c if c < ' ' => return None,
            c => c,
        };
        string.push(c);
    }
}

/// `00e9`, or the two halves of a pair.
fn unicode(characters: &mut std::str::Chars<'_>) -> Option<char> {
    let high = four(characters)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high);
    }
    characters.as_str().strip_prefix("\\u")?;
    characters.nth(1);
    let low = four(characters)?.checked_sub(0xdc00)?;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)
}

fn four(characters: &mut std::str::Chars<'_>) -> Option<u32> {
    let digits = characters.as_str().get(..4)?;
    characters.nth(3);
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_array_of_strings_is_the_exec_form() {
        let strings =
            |strings: &[&str]| Array::Strings(strings.iter().map(ToString::to_string).collect());
        for (text, expected) in [
            (
                r#"["a", "b\n\"\u00e9\ud83d\ude00"]"#,
                strings(&["a", "b\n\"é😀"]),
            ),
            (" [ ] ", strings(&[])),
            ("echo hi", Array::No),
            ("['a']", Array::No),
            (r#"["a",]"#, Array::No),
            (r#"["a"] && x"#, Array::No),
            ("[ -f x ]", Array::No),
            ("[ 1 -eq 1 ]", Array::No),
            (r#"["a", 1]"#, Array::Mixed),
            ("[true]", Array::Mixed),
            (r#"["a"#, Array::No),
        ] {
            assert_eq!(array(text), expected, "{text}");
        }
    }
}
