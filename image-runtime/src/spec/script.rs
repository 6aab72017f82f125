//! A function whose body is Python.

use super::Failure;

/// Encodes what came as JSON; where keys of that stand for what JSON has not, with its buffers.
pub type EncodeReturned = fn(&[u8], Option<&[Vec<u8>]>) -> Result<Vec<u8>, Failure>;

/// What `#[app::python]` knows of a function, beside what every function has.
#[derive(Debug)]
pub struct PythonSpec {
    /// The file, as written: from the folder of the crate.
    pub file: &'static str,
    /// What stands in it.
    pub text: &'static str,
    /// The function's name in it.
    pub function: &'static str,
    /// Whether its result is many values.
    pub is_stream: bool,
    /// Encodes a result.
    pub encode_result: EncodeReturned,
}
