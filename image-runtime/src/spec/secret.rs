//! Secrets as a definition names them. Values are never here.

/// A secret that a step or a function is given, as variables of its environment.
///
/// A definition holds its name only. The value is looked up when the step or the function runs, and reaches nothing else: no layer,
/// no log line, no error text. The macros know its name: it need not be imported for them.
///
/// ```
/// # use image_runtime::{Image, image};
/// const TOOLS: Image = image!(
///     debian_slim().run_commands("./login.sh", secrets = [Secret::from_env("REGISTRY_TOKEN")])
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret(Source);

/// The secrets that one step or one function names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// The secrets, in order.
    pub all: &'static [Secret],
    /// What the paths of files start from.
    pub folder: &'static str,
}

impl Secrets {
    /// No secrets.
    pub const NONE: Self = Self {
        all: &[],
        folder: "",
    };
}

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A variable of this process.
    Env(&'static str),
    /// A name in the local store of secrets.
    Name(&'static str),
    /// A file of variables.
    Dotenv(&'static str),
}

impl Secret {
    /// `Secret::from_env("TOKEN")`: the variable `TOKEN` of the program that builds or calls, under the same name.
    pub const fn from_env(variable: &'static str) -> Self {
        Self(Source::Env(variable))
    }

    /// `Secret::from_name("registry-credentials")`: all variables of a secret that `secret create` made.
    pub const fn from_name(name: &'static str) -> Self {
        Self(Source::Name(name))
    }

    /// `Secret::from_dotenv(".env")`: all variables of a file of `NAME=value` lines. Its path is relative to the crate that writes it;
    /// it is read when it is needed, and need not exist while compiling.
    pub const fn from_dotenv(path: &'static str) -> Self {
        Self(Source::Dotenv(path))
    }

    pub(crate) const fn source(self) -> Source {
        self.0
    }

    /// What identifies it: its source and its name, never its value.
    pub(crate) fn identity(self) -> [&'static str; 2] {
        match self.0 {
            Source::Env(name) => ["env", name],
            Source::Name(name) => ["name", name],
            Source::Dotenv(path) => ["dotenv", path],
        }
    }
}
