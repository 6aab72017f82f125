//! Names: of functions and apps, of environment variables.

use crate::diag::Fault;

/// The name of a function or of an app: it becomes part of labels, of commands and of container names.
pub(crate) fn of_app_or_function(text: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() {
        return Err(Fault::new("a name must not be empty"));
    }
    if !text.chars().all(fits) {
        let fixed: String = text
            .chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect();
        return Err(Fault::new(format!(
            "the name `{text}` must hold ASCII letters, digits, `_` and `-` only"
        ))
        .help(format!("such as `{fixed}`")));
    }
    Ok(())
}

/// The name of an environment variable, as a POSIX shell can read it.
pub(crate) fn of_variable(text: &str) -> Result<(), Fault> {
    let mut characters = text.chars();
    let first = characters.next();
    let starts = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if starts && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    let fault = Fault::new(format!(
        "{text:?} is not a name of an environment variable: letters, digits and `_`, not starting with a digit"
    ));
    Err(match text.split_once('=') {
        Some((name, value)) => fault.help(format!("write `\"{name}\": \"{value}\"`")),
        None => fault,
    })
}

/// The name of a secret in the local store: that of a file.
pub(crate) fn of_secret(text: &str) -> Result<(), Fault> {
    of_file(text, "secret")
}

/// The name of a volume: that of a directory, and part of a Docker volume's.
pub(crate) fn of_volume(text: &str) -> Result<(), Fault> {
    let fault = of_file(text, "volume");
    match text.contains('/') {
        true => fault.map_err(|fault| {
            fault.help(format!(
                "write `Volume::from_host({text:?})` for a directory of this machine"
            ))
        }),
        false => fault,
    }
}

fn of_file(text: &str, what: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match starts && text.chars().all(fits) && text.len() <= 64 {
        true => Ok(()),
        false => Err(Fault::new(format!(
            "{text:?} is not a name of a {what}: up to 64 letters, digits, `.`, `_` and `-`, starting with a letter or a digit"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_functions() {
        for good in ["train", "train-2", "_x", "9lives"] {
            assert_eq!(of_app_or_function(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a.b", "trän", "a/b"] {
            assert!(of_app_or_function(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_variables() {
        for good in ["PATH", "_x", "a1"] {
            assert_eq!(of_variable(good), Ok(()), "{good}");
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "A\0"] {
            assert!(of_variable(bad).is_err(), "{bad:?}");
        }
        let fault = of_variable("A=1").unwrap_err();
        assert!(
            fault.text().ends_with("help: write `\"A\": \"1\"`"),
            "{}",
            fault.text()
        );
    }
}
