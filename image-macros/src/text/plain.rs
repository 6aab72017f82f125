//! Texts that are nearly free: commands, values of the environment. None can hold a NUL, because none of them could be
//! handed to a process.

use crate::diag::Fault;

/// A command of `run_commands`.
pub(crate) fn command(text: &str) -> Result<(), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("a command must not be empty"));
    }
    no_nul("a command", text)
}

/// An argument of a process.
pub(crate) fn argument(text: &str) -> Result<(), Fault> {
    no_nul("an argument", text)
}

/// A value of an environment variable.
pub(crate) fn env_value(text: &str) -> Result<(), Fault> {
    no_nul("the value of an environment variable", text)
}

pub(crate) fn no_nul(what: &str, text: &str) -> Result<(), Fault> {
    match text.contains('\0') {
        true => Err(Fault::new(format!("{what} must not hold a NUL character"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_hold_something_and_no_nul() {
        for good in ["make", "echo 'a\tb' && true"] {
            assert_eq!(command(good), Ok(()), "{good:?}");
        }
        for bad in ["", "  \n", "echo \0"] {
            assert!(command(bad).is_err(), "{bad:?}");
        }
        assert!(env_value("").is_ok());
        assert!(env_value("a\0b").is_err());
    }
}
