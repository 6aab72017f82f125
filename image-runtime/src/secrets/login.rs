//! A login at a private registry, as a secret holds it.

use std::fmt;

use super::{SecretError, values};
use crate::spec::secret::{Secrets, Source};

/// The variables that hold a login.
const VARIABLES: [&str; 2] = ["REGISTRY_USERNAME", "REGISTRY_PASSWORD"];

/// A login as `secret create` takes it: of what ends in `-` it reads the value from its standard input.
const WRITTEN: &str = "REGISTRY_USERNAME=… REGISTRY_PASSWORD=-";

/// What is said of variables whose value is read.
pub(super) fn reads(variables: &str) -> &'static str {
    match variables.ends_with('-') {
        true => ", which reads the password from its standard input",
        false => "",
    }
}

/// Who asks a registry. Its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password, or the token that stands for it.
    pub password: String,
}

impl Login {
    /// Looks the login up that secrets hold; nothing where there are none.
    ///
    /// # Errors
    /// A secret is missing, or holds something else.
    pub fn of(secrets: &Secrets) -> Result<Option<Self>, SecretError> {
        let Some(secret) = secrets.all.first() else {
            return Ok(None);
        };
        let values = values(secrets).map_err(|error| match error {
            SecretError::NoName { name, folder, .. } => SecretError::NoName {
                name,
                folder,
                variables: WRITTEN,
            },
            SecretError::NoVariable(name) => SecretError::NoLoginVariable(name),
            other => other,
        })?;
        let login = match (secret.source(), VARIABLES.map(|name| values.get(name))) {
            (_, [Some(username), Some(password)]) => Some((username, password)),
            (Source::Env(name), _) => values.get(name).and_then(|value| value.split_once(':')),
            _ => None,
        };
        let login =
            login.filter(|(username, password)| !username.is_empty() && !password.is_empty());
        match login {
            Some((username, password)) => Ok(Some(Self {
                username: username.to_owned(),
                password: password.to_owned(),
            })),
            None => Err(SecretError::NoLogin(secret.source())),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// What is wrong with a secret that holds no login, and how one is written.
pub(super) fn missing(source: &Source) -> String {
    let [username, password] = VARIABLES;
    match source {
        Source::Env(name) => format!(
            "the secret `{name}` holds no login for a registry\n  help: its value is `username:password`"
        ),
        Source::Name(name) => format!(
            "the secret `{name}` holds no login for a registry: it needs the variables `{username}` and `{password}`\n  \
             help: make it with `secret create {name} {WRITTEN} --force`{}",
            reads(WRITTEN)
        ),
        Source::Dotenv(path) => format!(
            "the secrets of `{path}` hold no login for a registry: they need the variables `{username}` and `{password}`\n  \
             help: write a line `{username}=…` and a line `{password}=…` into the file"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Secret;

    /// What a file of variables says of a login.
    fn of(text: &str) -> Result<Option<Login>, SecretError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("env"), text).unwrap();
        static ALL: [Secret; 1] = [Secret::from_dotenv("env")];
        let folder = folder.path().to_str().unwrap().to_owned().leak();
        Login::of(&Secrets { all: &ALL, folder })
    }

    #[test]
    fn a_login_is_two_variables() {
        let login = of("OTHER=1\nREGISTRY_USERNAME=me\nREGISTRY_PASSWORD='a:b'\n");
        let login = login.unwrap().unwrap();
        assert_eq!((&*login.username, &*login.password), ("me", "a:b"));
        assert_eq!(format!("{login:?}"), "Login");
        assert_eq!(Login::of(&Secrets::NONE).unwrap(), None);
    }

    #[test]
    fn a_login_that_is_missing_says_which_variables_it_is_made_of() {
        static NAMED: [Secret; 1] = [Secret::from_name("image-runtime-tests-none")];
        static VARIABLE: [Secret; 1] = [Secret::from_env("IMAGE_TESTS_NO_SUCH_LOGIN")];
        let said = |all| {
            let error = Login::of(&Secrets { all, folder: "" }).unwrap_err();
            error.to_string()
        };
        let named = said(&NAMED);
        assert!(
            named.ends_with(
                "help: make it with `secret create image-runtime-tests-none REGISTRY_USERNAME=… REGISTRY_PASSWORD=-`, \
                 which reads the password from its standard input"
            ),
            "{named}"
        );
        let variable = said(&VARIABLE);
        assert!(variable.contains("to `username:password`"), "{variable}");
    }

    #[test]
    fn a_secret_without_a_login_says_how_it_is_made_and_not_what_it_holds() {
        for text in [
            "A=hunter2",
            "REGISTRY_PASSWORD=hunter2",
            "REGISTRY_USERNAME=\nREGISTRY_PASSWORD=hunter2",
        ] {
            let said = of(text).unwrap_err().to_string();
            assert!(
                said.contains("`REGISTRY_USERNAME` and `REGISTRY_PASSWORD`"),
                "{said}"
            );
            assert!(
                said.contains("help: ") && !said.contains("hunter2"),
                "{said}"
            );
        }
        let said = missing(&Source::Name("box"));
        assert!(
            said.contains("secret create box REGISTRY_USERNAME=…"),
            "{said}"
        );
        let said = missing(&Source::Env("BOX"));
        assert!(said.contains("`username:password`"), "{said}");
    }
}
