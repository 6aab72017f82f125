//! A text file that the definition names, and faults in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::diag::Fault;

/// A file that was read. The path is relative to the folder of the crate's Cargo.toml, as written.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Reads a file. Its path has been checked, or stands in a file.
    pub(crate) fn read(path: &str) -> Result<Self, Fault> {
        let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
        let bytes = fs::read(folder.join(path)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Fault::new(format!("there is no file `{path}`")),
            _ => Fault::new(format!("`{path}` cannot be read: {error}")),
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Fault::new(format!("`{path}` is not UTF-8")).help("save it with that encoding")
        })?;
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        };
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// A path as it is written in this file, from the folder of the crate's Cargo.toml.
    pub(crate) fn beside(&self, path: &str) -> String {
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        folder.join(path).to_string_lossy().into_owned()
    }

    /// A fault in a line, from 1.
    pub(crate) fn fault(&self, line: usize, message: &str) -> Fault {
        Fault::new(format!("{}:{line}: {message}", self.path))
    }

    /// The line, from 1, of a byte of the text.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        before.matches('\n').count() + 1
    }
}
