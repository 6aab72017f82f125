//! How layers are stacked: the options of an overlay mount. Paths in them are short and relative, since the kernel takes one
//! page of options.

use std::io;
use std::path::{Path, PathBuf};

use super::form::Form;

/// The kernel takes a page of options, and ends it with a NUL.
const LONGEST: usize = 4095;

/// A stack of layers with a place for what is written.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    /// Where all paths begin: the folder of the layers.
    pub(super) directory: PathBuf,
    /// Where the mount goes, from there.
    pub(super) target: String,
    pub(super) options: String,
}

impl Overlay {
    /// The layers, by their paths from `directory`, topmost first. `scratch` holds `upper`, `work` and `root`.
    ///
    /// # Errors
    /// There are more layers than the kernel can stack.
    pub(super) fn new(
        directory: &Path,
        layers: impl IntoIterator<Item = String>,
        scratch: &str,
        form: Form,
        volatile: bool,
    ) -> io::Result<Self> {
        let layers: Vec<_> = layers.into_iter().collect();
        let mut options = format!(
            "lowerdir={},upperdir={scratch}/upper,workdir={scratch}/work,index=off",
            layers.join(":")
        );
        options += match form {
            // What a distribution switches on would make layers that cannot be stacked anew.
            Form::Root => ",metacopy=off,redirect_dir=off",
            // Both are off with it, and may not be named.
            Form::User => ",userxattr",
        };
        if volatile {
            options += ",volatile";
        }
        if options.len() > LONGEST {
            return Err(io::Error::other(format!(
                "{} layers are more than Linux can stack\n  help: join steps: each verb of an image is a layer",
                layers.len()
            )));
        }
        Ok(Self {
            directory: directory.to_owned(),
            target: format!("{scratch}/root"),
            options,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(count: usize) -> io::Result<Overlay> {
        let layers = (0..count).map(|number| format!("{number:016x}/fs"));
        Overlay::new(
            Path::new("/store/layers"),
            layers,
            "../containers/01234567",
            Form::Root,
            true,
        )
    }

    #[test]
    fn a_hundred_and_fifty_layers_fit_into_the_options() {
        assert!(stack(150).unwrap().options.len() <= LONGEST);
    }

    #[test]
    fn too_many_layers_are_told_with_what_to_do() {
        let error = stack(400).unwrap_err().to_string();
        assert!(
            error.starts_with("400 layers") && error.contains("help:"),
            "{error}"
        );
    }
}
