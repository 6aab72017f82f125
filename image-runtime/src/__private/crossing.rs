//! How values cross between host and container, for every type: a type that cannot cross gets stand-ins that are never called,
//! because [`argument`](super::argument) and [`output`](super::output) have refused it by then, with one error at its place.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::value;
use crate::spec::Failure;
use crate::worker::python;

/// The conversions of an argument, of a tuple of arguments, or of a result.
pub struct Crossing<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned> Crossing<T> {
    /// Decodes arguments.
    pub fn decode(bytes: &[u8]) -> Result<T, Failure> {
        value::decode(bytes).map_err(|reason| Failure::Encoding {
            reason: format!("the arguments could not be decoded: {reason}"),
        })
    }

    /// Encodes a result.
    pub fn encode(result: &T) -> Result<Vec<u8>, Failure> {
        value::encode(result).map_err(|reason| Failure::Encoding {
            reason: format!("the result could not be encoded: {reason}"),
        })
    }

    /// Decodes one argument given as JSON; `name` is the parameter's.
    pub fn from_json(name: &str, json: Value) -> Result<T, String> {
        serde_json::from_value(json).map_err(|error| format!("argument `{name}`: {error}"))
    }

    /// Encodes a result that comes as the text of JSON, or as that and buffers beside it.
    pub fn encode_json(json: &[u8], buffers: Option<&[Vec<u8>]>) -> Result<Vec<u8>, Failure> {
        let result = match buffers {
            Some(buffers) => python::decode(json, buffers),
            None => serde_json::from_slice(json).map_err(|error| error.to_string()),
        };
        let result = result.map_err(|error| Failure::Encoding {
            reason: format!("the result is no `{}`: {error}", std::any::type_name::<T>()),
        })?;
        Self::encode(&result)
    }

    /// Decodes an encoded result to JSON.
    pub fn to_json(bytes: &[u8]) -> Result<Value, String> {
        serde_json::to_value(value::decode::<T>(bytes)?).map_err(|error| error.to_string())
    }
}

/// The stand-ins of [`Crossing`]: methods of a type come before methods of a trait, so these are taken for refused types only.
pub trait CannotCross<T>: Sized {
    /// See [`Crossing::decode`].
    fn decode(_: &[u8]) -> Result<T, Failure> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::encode`].
    fn encode(_: &T) -> Result<Vec<u8>, Failure> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::from_json`].
    fn from_json(_: &str, _: Value) -> Result<T, String> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::encode_json`].
    fn encode_json(_: &[u8], _: Option<&[Vec<u8>]>) -> Result<Vec<u8>, Failure> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::to_json`].
    fn to_json(_: &[u8]) -> Result<Value, String> {
        unreachable!("the type has been refused")
    }
}

impl<T> CannotCross<T> for Crossing<T> {}

/// The tuple of arguments, by value or by reference, on its way out.
pub struct Encode<'a, T>(pub &'a T);

impl<T: Serialize> Encode<'_, T> {
    /// Encodes it. It takes itself, so that it comes before the method of any trait that the user has in scope.
    pub fn encode(self) -> Result<Vec<u8>, String> {
        value::encode(self.0)
    }
}

/// The stand-in of [`Encode`].
pub trait CannotEncode: Sized {
    /// See [`Encode::encode`].
    fn encode(self) -> Result<Vec<u8>, String> {
        unreachable!("the type has been refused")
    }
}

impl<T> CannotEncode for Encode<'_, T> {}

/// The arguments given as JSON values, where there is one for each of the parameters.
pub fn json_arguments<const N: usize>(
    values: Vec<Value>,
    parameters: [&str; N],
) -> Result<[Value; N], String> {
    values.try_into().map_err(|values: Vec<Value>| {
        let names = match N {
            0 => String::new(),
            _ => format!(
                " ({})",
                parameters.map(|name| format!("`{name}`")).join(", ")
            ),
        };
        let plural = if N == 1 { "" } else { "s" };
        format!("{N} argument{plural} wanted{names}, {} given", values.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stays;

    #[test]
    fn a_value_that_can_cross_does_and_another_is_not_asked() {
        let bytes = Encode(&(3_u32, "x")).encode().unwrap();
        let decoded = Crossing::<(u32, String)>::decode(&bytes).unwrap();
        assert_eq!(decoded, (3, "x".to_owned()));
        // Compiling is the test: none of these is called.
        let _ = <Crossing<Stays>>::encode as fn(&Stays) -> _;
        let _ = |stays: &Stays| Encode(stays).encode();
    }

    #[test]
    fn too_few_and_too_many_arguments_name_the_parameters() {
        let wrong = |values| json_arguments(values, ["epochs", "rate"]).unwrap_err();
        assert_eq!(
            wrong(vec![Value::Null]),
            "2 arguments wanted (`epochs`, `rate`), 1 given"
        );
        assert_eq!(
            json_arguments(vec![Value::Null], []).unwrap_err(),
            "0 arguments wanted, 1 given"
        );
    }
}
