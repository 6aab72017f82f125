//! What a registry wants to be told before it answers: the `WWW-Authenticate` headers of RFC 9110.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One way to say who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// `bearer`, `basic`; lower case.
    scheme: String,
    /// Names in lower case, and values.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Whether it is of a scheme, given in lower case.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme == scheme
    }

    /// The value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The challenges of an answer, in order.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .collect()
}

/// Reads one header, which may hold several challenges. What is malformed is passed over.
fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = word(rest);
        if word.is_empty() {
            let mut letters = rest.chars();
            if letters.next().is_none() {
                return challenges;
            }
            rest = letters.as_str();
            continue;
        }
        match (after.trim_start().strip_prefix('='), challenges.last_mut()) {
            (Some(after), Some(challenge)) => {
                let (value, after) = value(after.trim_start());
                challenge.parameters.push((word.to_lowercase(), value));
                rest = after;
            }
            _ => {
                challenges.push(Challenge {
                    scheme: word.to_lowercase(),
                    parameters: Vec::new(),
                });
                rest = after;
            }
        }
    }
}

/// The word at the beginning of a text, and what follows.
fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| letter.is_whitespace() || matches!(letter, ',' | '=' | '"'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The word or quoted text at the beginning of a text, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = word(text);
        return (word.to_owned(), rest);
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => value.extend(letters.next()),
            other => value.push(other),
        }
    }
    (value, letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Vec<String>)> {
        parse(text)
            .into_iter()
            .map(|challenge| {
                let parameters = challenge.parameters.iter();
                let parameters = parameters.map(|(name, value)| format!("{name}: {value}"));
                (challenge.scheme, parameters.collect())
            })
            .collect()
    }

    #[test]
    fn a_challenge_is_a_scheme_and_its_parameters() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull,push""#;
        let [challenge] = &parse(hub)[..] else {
            panic!("one challenge")
        };
        assert!(challenge.is("bearer"));
        assert_eq!(challenge.get("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(
            challenge.get("scope"),
            Some("repository:library/debian:pull,push")
        );
        assert_eq!(challenge.get("error"), None);
    }

    #[test]
    fn several_challenges_stand_in_one_header() {
        let found = read(r#"Negotiate, Basic Realm = "a, \"b\"" , bearer realm=x,service=y"#);
        assert_eq!(
            found,
            [
                ("negotiate".to_owned(), vec![]),
                ("basic".to_owned(), vec![r#"realm: a, "b""#.to_owned()]),
                (
                    "bearer".to_owned(),
                    vec!["realm: x".to_owned(), "service: y".to_owned()]
                ),
            ]
        );
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for text in [
            "",
            ",,",
            "=",
            "\"",
            "Basic realm=\"open",
            "a==b",
            "é\"=,=\\",
        ] {
            parse(text);
        }
        assert_eq!(read("= Basic")[0].0, "basic");
    }
}
