//! Words of a Dockerfile: what Docker and shells leave as it is.

/// A value in which nothing is expanded.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// A word that is the rest of a line, in which nothing is expanded.
pub(super) fn literal(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:,@%+=".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A path of the build context, in which nothing stands for anything else.
pub(super) fn source(path: &str) -> String {
    // Neither a flag nor the begin of a here-document.
    let mut pattern = match path.starts_with(['-', '<']) {
        true => "./".to_owned(),
        false => String::new(),
    };
    for c in path.chars() {
        match c {
            // Docker takes a backslash away before it matches patterns; within brackets that leaves one.
            '\\' => pattern.push_str("[\\\\\\\\]"),
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    pattern
}

/// Paths: as words where they can be, else as JSON.
pub(super) fn words(paths: &[String]) -> String {
    let escaped: Vec<_> = paths.iter().map(|path| path.replace('$', "\\$")).collect();
    match paths
        .iter()
        .any(|path| path.contains([' ', '\t', '\n', '\r', '"', '\'']))
    {
        true => json(&escaped),
        false => escaped.join(" "),
    }
}

/// A word of a shell's line.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:,@%+=/".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A word of a shell's line, in which `${NAME}` stands for a variable.
pub(super) fn expanding(text: &str) -> String {
    if !text.contains("${") {
        return word(text);
    }
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('`', "\\`");
    format!("\"{escaped}\"")
}

pub(super) fn json(words: &[String]) -> String {
    serde_json::to_string(words).expect("strings are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_mean_nothing_but_themselves() {
        for (path, written) in [
            ("a/b.txt", "a/b.txt"),
            ("a[0]*?.txt", "a[[]0][*][?].txt"),
            ("a\\b", "a[\\\\\\\\]b"),
            ("--from", "./--from"),
        ] {
            assert_eq!(source(path), written);
        }
        let both = [source("a [1]"), "/b $x".to_owned()];
        assert_eq!(words(&both), r#"["a [[]1]","/b \\$x"]"#);
    }
}
