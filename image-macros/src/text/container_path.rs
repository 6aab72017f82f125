//! Paths inside a container.

use super::plain::no_nul;
use crate::diag::Fault;

/// A working directory or the target of a directory: absolute.
pub(crate) fn directory(text: &str) -> Result<(), Fault> {
    if !text.starts_with('/') {
        let fault = Fault::new(format!("the container path `{text}` must be absolute"));
        return Err(if text.starts_with('~') || text.starts_with('$') {
            fault.help("home directories and variables are not resolved here: write the path out")
        } else {
            fault.help(format!("write `/{}`", text.trim_start_matches("./")))
        });
    }
    no_nul("a container path", text)
}

/// The target of a file: absolute. With a `/` at the end it is the directory that the file goes into.
pub(crate) fn file(text: &str) -> Result<(), Fault> {
    directory(text)?;
    if text.ends_with("/.") || text.ends_with("/..") {
        return Err(Fault::new(format!(
            "the target `{text}` must end with the name of the file, or with `/`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_paths_are_absolute() {
        for good in ["/", "/app", "/a b/c"] {
            assert_eq!(directory(good), Ok(()), "{good}");
        }
        for bad in ["", "app", "./app", "~/x", "$HOME", "/a\0"] {
            assert!(directory(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_target_of_a_file_names_it() {
        for good in ["/root/config.yaml", "/root/", "/"] {
            assert_eq!(file(good), Ok(()), "{good}");
        }
        for bad in ["/root/.", "/root/.."] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }
}
