//! Secrets: where their values are, and how they are kept out of what is printed.

mod error;
mod login;
mod mask;
mod named;

use std::path::{Path, PathBuf};

pub use error::SecretError;
pub use login::Login;
pub use mask::Mask;
pub use named::{NamedSecrets, SecretInfo};

use crate::spec::Secret;
use crate::spec::secret::{Secrets, Source};

/// Variables and their values. A later secret's variable takes the place of an earlier one's.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<(String, String)>);

/// Looks the values of secrets up.
///
/// # Errors
/// The first one that is not there.
pub fn values(wanted: &Secrets) -> Result<Values, SecretError> {
    let mut values = Values::default();
    for secret in wanted.all {
        for (name, value) in variables(*secret, wanted.folder)? {
            values.0.retain(|(known, _)| *known != name);
            values.0.push((name, value));
        }
    }
    Ok(values)
}

fn variables(secret: Secret, folder: &str) -> Result<Vec<(String, String)>, SecretError> {
    match secret.source() {
        Source::Env(name) => match std::env::var(name) {
            Ok(value) => Ok(vec![(name.to_owned(), value)]),
            Err(std::env::VarError::NotPresent) => Err(SecretError::NoVariable(name)),
            Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotUnicode(name)),
        },
        Source::Name(name) => NamedSecrets::open()?.get(name),
        Source::Dotenv(path) => read_dotenv(&Path::new(folder).join(path)),
    }
}

impl Values {
    /// The variables.
    pub fn env(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A text with `${NAME}` in place of each value, as it stands there or as part of a URL.
    pub fn named_in(&self, text: String) -> String {
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        all.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        all.into_iter().fold(text, |text, (name, value)| {
            let name = format!("${{{name}}}");
            text.replace(value, &name)
                .replace(&mask::in_url(value), &name)
        })
    }

    /// What hides the values in texts.
    pub fn mask(&self) -> Mask {
        Mask::of(self.0.iter().map(|(_, value)| value.as_str()))
    }
}

/// Names only: values are never printed.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// The variables of a file of `NAME=value` lines.
///
/// # Errors
/// It cannot be read. Its text is no part of the error.
pub fn read_dotenv(path: &Path) -> Result<Vec<(String, String)>, SecretError> {
    let unreadable = |source| SecretError::File {
        path: path.to_owned(),
        source,
    };
    let malformed = |line| SecretError::Line {
        path: PathBuf::from(path),
        line,
    };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut variables = Vec::new();
    // Where an error of the parser stands in the file: by what it has read so far.
    for read in dotenvy::from_read_iter(text.as_bytes()) {
        variables.push(read.map_err(|_| malformed(variables.len() + 1))?);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_file_of_variables_is_read_with_its_quotes_and_comments() {
        let file = written("# all\nexport A=1\nB='two words'\nC=\"a\\nb\" # c\n");
        let read = read_dotenv(file.path()).unwrap();
        let pairs: Vec<_> = read
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("C", "a\nb")]);
    }

    #[test]
    fn no_error_and_no_debug_text_tells_a_value() {
        let file = written("A=1\nhunter2 hunter2\n");
        let error = read_dotenv(file.path()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        let values = Values(vec![("A".into(), "hunter2".into())]);
        assert_eq!(format!("{values:?}"), "[\"A\"]");
    }

    #[test]
    fn a_text_names_the_variables_in_place_of_their_values() {
        let values = [("A", "hunter"), ("B", "hunter 2"), ("C", "")];
        let values = Values(
            values
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
        );
        let text = "https://h/hunter%202?a=hunter&b=hunter 2".to_owned();
        assert_eq!(values.named_in(text), "https://h/${B}?a=${A}&b=${B}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_told_with_what_to_do() {
        const NOWHERE: [Secret; 2] = [
            Secret::from_env("IMAGE_RUNTIME_NO_SUCH_VARIABLE"),
            Secret::from_dotenv("no/such/file"),
        ];
        static ALL: [Secret; 2] = NOWHERE;
        for (index, said) in [
            (0, "IMAGE_RUNTIME_NO_SUCH_VARIABLE"),
            (1, "/folder/no/such/file"),
        ] {
            let wanted = Secrets {
                all: &ALL[index..=index],
                folder: "/folder",
            };
            let text = values(&wanted).unwrap_err().to_string();
            assert!(text.contains(said) && text.contains("help: "), "{text}");
        }
    }
}
