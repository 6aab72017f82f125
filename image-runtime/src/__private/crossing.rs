//! How values cross between host and container, for every type: a type that cannot cross gets stand-ins that are never called,
//! because [`argument`](super::argument) and [`output`](super::output) have refused it by then, with one error at its place.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protocol::payload::{self, Arrived, Bulk};
use crate::spec::Failure;
use crate::worker::python;

/// The conversions of an argument, of a tuple of arguments, or of a result.
pub struct Crossing<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned> Crossing<T> {
    /// Decodes one argument given as JSON; `name` is the parameter's.
    pub fn from_json(name: &str, json: Value) -> Result<T, String> {
        serde_json::from_value(json).map_err(|error| format!("argument `{name}`: {error}"))
    }

    /// Encodes a result that comes as the text of JSON, or as that and buffers beside it.
    pub fn encode_json(json: &[u8], buffers: Option<&[Vec<u8>]>) -> Result<Vec<u8>, Failure> {
        let result: Result<T, String> = match buffers {
            Some(buffers) => python::decode(json, buffers),
            None => serde_json::from_slice(json).map_err(|error| error.to_string()),
        };
        let result = result.map_err(|error| Failure::Encoding {
            reason: format!("the result is no `{}`: {error}", std::any::type_name::<T>()),
        })?;
        Encode(&result).encode_result(None)
    }

    /// A result as JSON.
    pub fn to_json(result: T) -> Result<Value, String> {
        serde_json::to_value(result).map_err(|error| error.to_string())
    }
}

/// The stand-ins of [`Crossing`]: methods of a type come before methods of a trait, so these are taken for refused types only.
pub trait CannotCross<T>: Sized {
    /// See [`Crossing::from_json`].
    fn from_json(_: &str, _: Value) -> Result<T, String> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::encode_json`].
    fn encode_json(_: &[u8], _: Option<&[Vec<u8>]>) -> Result<Vec<u8>, Failure> {
        unreachable!("the type has been refused")
    }

    /// See [`Crossing::to_json`].
    fn to_json(_: T) -> Result<Value, String> {
        unreachable!("the type has been refused")
    }
}

impl<T> CannotCross<T> for Crossing<T> {}

/// The tuple of arguments, or a result, on its way out.
pub struct Encode<'a, T>(pub &'a T);

impl<T: Serialize> Encode<'_, T> {
    /// Encodes it, beside what was put aside. It takes itself, so that it comes before the method of any trait that the user has in
    /// scope.
    pub fn encode(self, bulk: Bulk) -> Result<Vec<u8>, String> {
        payload::join(self.0, bulk)
    }

    /// Likewise, what a function returned.
    pub fn encode_result(self, bulk: Bulk) -> Result<Vec<u8>, Failure> {
        self.encode(bulk).map_err(|reason| Failure::Encoding {
            reason: format!("the result could not be encoded: {reason}"),
        })
    }
}

/// The stand-in of [`Encode`].
pub trait CannotEncode: Sized {
    /// See [`Encode::encode`].
    fn encode(self, _: Bulk) -> Result<Vec<u8>, String> {
        unreachable!("the type has been refused")
    }

    /// See [`Encode::encode_result`].
    fn encode_result(self, _: Bulk) -> Result<Vec<u8>, Failure> {
        unreachable!("the type has been refused")
    }
}

impl<T> CannotEncode for Encode<'_, T> {}

/// Decodes so many arguments, by what takes them one after the other out of what arrived.
pub fn arguments<T>(
    payload: Vec<u8>,
    count: usize,
    take: impl FnOnce(&mut Arrived<'_>) -> Result<T, String>,
) -> Result<T, Failure> {
    payload::arguments(payload, count, take).map_err(|reason| Failure::Encoding {
        reason: format!("the arguments could not be decoded: {reason}"),
    })
}

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
    use crate::__private::{Take, TakeOther as _};

    struct Stays;

    #[test]
    fn a_value_that_can_cross_does_and_another_is_not_asked() {
        let encoded = Encode(&(3_u32, "x")).encode(None).unwrap();
        let decoded = arguments(encoded, 2, |arrived| {
            let take = (Take::<u32>::new().way(), Take::<String>::new().way());
            Ok((take.0(arrived)?, take.1(arrived)?))
        });
        assert_eq!(decoded.unwrap(), (3, "x".to_owned()));
        // Compiling is the test: none of these is called.
        let _ = <Crossing<Stays>>::to_json as fn(Stays) -> _;
        let _ = |stays: &Stays| Encode(stays).encode(None);
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
