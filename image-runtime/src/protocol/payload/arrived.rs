//! What arrived, and how values are taken out of it: one after the other, each in the way of its type.

use std::fmt;
use std::io::Write as _;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{LARGE, Payload, split};
use crate::protocol::memory;

/// The large value that goes beside the others, once there is one.
pub type Bulk = Option<Vec<u8>>;

/// What is encoded in place of bytes.
#[derive(Debug)]
pub enum Bytes {
    /// They went aside.
    Aside,
    /// All of them.
    Here(Vec<u8>),
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Aside => serializer.serialize_unit(),
            Self::Here(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl Bytes {
    /// Puts them aside, if they are many and nothing else is there.
    pub fn new(bytes: Vec<u8>, bulk: &mut Bulk) -> Self {
        if bytes.len() < LARGE || bulk.is_some() {
            return Self::Here(bytes);
        }
        *bulk = Some(bytes);
        Self::Aside
    }

    /// Likewise, a copy of them.
    pub fn copied(bytes: &[u8], bulk: &mut Bulk) -> Self {
        Self::new(owned(bytes), bulk)
    }
}

/// Bytes may also be the list of numbers that they are to serde: the results of functions in Python are.
impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyBytes;

        impl<'de> Visitor<'de> for AnyBytes {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_unit<E>(self) -> Result<Bytes, E> {
                Ok(Bytes::Aside)
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes::Here(owned(bytes)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes::Here(bytes))
            }
        }

        deserializer.deserialize_any(AnyBytes)
    }
}

/// A copy, in huge pages where it is large.
fn owned(bytes: &[u8]) -> Vec<u8> {
    let mut copy = memory::Body::default();
    // Where there is no memory, a vector would say so in the same way.
    copy.write_all(bytes).expect("there is memory for the copy");
    copy.0
}

/// What arrived: encoded values, and the large one beside them.
pub struct Arrived<'a> {
    values: rmp_serde::Deserializer<rmp_serde::decode::ReadRefReader<'a, [u8]>>,
    bulk: Bulk,
}

impl fmt::Debug for Arrived<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived").finish_non_exhaustive()
    }
}

impl<'a> Arrived<'a> {
    /// One value.
    pub fn value(values: &'a [u8], bulk: Bulk) -> Self {
        Self {
            values: rmp_serde::Deserializer::from_read_ref(values),
            bulk,
        }
    }

    /// So many values. None at all are nil.
    ///
    /// # Errors
    /// There is another number of them.
    pub fn values(mut values: &'a [u8], bulk: Bulk, count: usize) -> Result<Self, String> {
        if count > 0 {
            let there =
                rmp::decode::read_array_len(&mut values).map_err(|error| error.to_string())?;
            if usize::try_from(there) != Ok(count) {
                return Err(format!("{there} arguments have come, not {count}"));
            }
        }
        Ok(Self::value(values, bulk))
    }

    /// The next value, whatever it is.
    ///
    /// # Errors
    /// It is of another type, or there is none.
    pub fn any<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        T::deserialize(&mut self.values).map_err(|error| error.to_string())
    }

    /// The next value, which is bytes.
    ///
    /// # Errors
    /// It is something else.
    pub fn bytes(&mut self) -> Result<Vec<u8>, String> {
        match self.any()? {
            Bytes::Here(bytes) => Ok(bytes),
            Bytes::Aside => self
                .bulk
                .take()
                .ok_or_else(|| "no bytes have come".to_owned()),
        }
    }
}

/// How the next value is taken out of what arrived.
pub type Way<T> = fn(&mut Arrived<'_>) -> Result<T, String>;

/// Decodes a result.
///
/// # Errors
/// It is of another type.
pub fn result<T>(payload: Vec<u8>, way: Way<T>) -> Result<T, String> {
    let Payload { head, bulk } = split(payload)?;
    way(&mut Arrived::value(&head, bulk))
}

/// Decodes so many arguments, by what takes them out of what arrived.
///
/// # Errors
/// They are others.
pub fn arguments<T>(
    payload: Vec<u8>,
    count: usize,
    take: impl FnOnce(&mut Arrived<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let Payload { head, bulk } = split(payload)?;
    take(&mut Arrived::values(&head, bulk, count)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::value;

    #[test]
    fn a_list_of_numbers_is_bytes_too_and_another_is_an_error() {
        let take = |encoded: &[u8]| Arrived::value(encoded, None).bytes();
        assert_eq!(
            take(&value::encode(&[1, 2, 255]).unwrap()),
            Ok(vec![1, 2, 255])
        );
        assert!(take(&value::encode(&[1, 256]).unwrap()).is_err());
        assert!(take(&value::encode(&()).unwrap()).is_err());
        assert!(Arrived::values(&value::encode(&(1, 2)).unwrap(), None, 3).is_err());
    }
}
