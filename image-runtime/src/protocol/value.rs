//! Values on the wire: MessagePack with named fields, so that every serde type crosses, self-describing ones too.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::memory::Body;

/// Encodes a value.
///
/// # Errors
/// What the value's `Serialize` says.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut body = Body(Vec::with_capacity(128));
    rmp_serde::encode::write_named(&mut body, value).map_err(|error| error.to_string())?;
    Ok(body.0)
}

/// Decodes a value.
///
/// # Errors
/// What does not fit the type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
}
