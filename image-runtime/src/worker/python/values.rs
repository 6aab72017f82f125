//! Arguments on their way to Python: from MessagePack, in which they cross to the container, to what Python reads fast: JSON, with bytes
//! beside it in buffers.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The keys that stand for what JSON has not; `driver.py` has them, too.
pub(super) const BYTES: &str = "\0bytes";
pub(super) const FLOAT: &str = "\0float";
pub(super) const ARRAY: &str = "\0array";

/// Arguments for Python.
pub(super) struct Arguments<'a> {
    /// An array.
    pub(super) json: Vec<u8>,
    pub(super) buffers: Vec<&'a [u8]>,
}

impl<'a> Arguments<'a> {
    /// From encoded ones.
    pub(super) fn of(encoded: &'a [u8]) -> Result<Self, String> {
        let mut arguments = Self {
            json: Vec::with_capacity(encoded.len().min(1 << 16)),
            buffers: Vec::new(),
        };
        let mut decoder = rmp_serde::Deserializer::from_read_ref(encoded);
        let writer = Writer {
            arguments: &mut arguments,
            is_key: false,
        };
        writer
            .deserialize(&mut decoder)
            .map_err(|error| error.to_string())?;
        if arguments.json == b"null" {
            // A function without parameters has the empty tuple, which is nothing.
            arguments.json = b"[]".to_vec();
        }
        Ok(arguments)
    }
}

/// Writes the next value.
struct Writer<'w, 'a> {
    arguments: &'w mut Arguments<'a>,
    /// Whether it is the key of an object, which is a string.
    is_key: bool,
}

impl Writer<'_, '_> {
    fn json<E: serde::de::Error>(self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(&mut self.arguments.json, &value).map_err(E::custom)
    }

    /// Something without quotes.
    fn bare<E>(self, text: &str) -> Result<(), E> {
        let quote: &[u8] = if self.is_key { b"\"" } else { b"" };
        let json = &mut self.arguments.json;
        json.extend_from_slice(quote);
        json.extend_from_slice(text.as_bytes());
        json.extend_from_slice(quote);
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Writer<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, decoder: D) -> Result<(), D::Error> {
        decoder.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Writer<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that Python has")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.bare(if value { "true" } else { "false" })
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.bare(&value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.bare(&value.to_string())
    }

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<(), E> {
        match value.is_finite() {
            true => self.json(value),
            false => self.visit_f64(value.into()),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // As Python reads and writes them.
        match value {
            f64::INFINITY => self.bare("Infinity"),
            f64::NEG_INFINITY => self.bare("-Infinity"),
            value if value.is_nan() => self.bare("NaN"),
            value => self.json(value),
        }
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.json(value)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.bare("null")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.bare("null")
    }

    fn visit_some<D: Deserializer<'a>>(self, decoder: D) -> Result<(), D::Error> {
        self.deserialize(decoder)
    }

    fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'a [u8]) -> Result<(), E> {
        if self.is_key {
            return Err(E::custom("bytes cannot be a key"));
        }
        let number = self.arguments.buffers.len();
        self.arguments.buffers.push(bytes);
        self.json(std::collections::BTreeMap::from([(BYTES, number)]))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        if self.is_key {
            return Err(serde::de::Error::custom("a list cannot be a key"));
        }
        let mut before = b'[';
        loop {
            let at = self.arguments.json.len();
            self.arguments.json.push(before);
            let item = Writer {
                arguments: &mut *self.arguments,
                is_key: false,
            };
            if items.next_element_seed(item)?.is_none() {
                if before == b',' {
                    self.arguments.json.truncate(at);
                }
                break;
            }
            before = b',';
        }
        self.arguments.json.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<(), A::Error> {
        if self.is_key {
            return Err(serde::de::Error::custom("a map cannot be a key"));
        }
        let mut before = b'{';
        loop {
            let at = self.arguments.json.len();
            self.arguments.json.push(before);
            let key = Writer {
                arguments: &mut *self.arguments,
                is_key: true,
            };
            if entries.next_key_seed(key)?.is_none() {
                if before == b',' {
                    self.arguments.json.truncate(at);
                }
                break;
            }
            before = b',';
            self.arguments.json.push(b':');
            entries.next_value_seed(Writer {
                arguments: &mut *self.arguments,
                is_key: false,
            })?;
        }
        self.arguments.json.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serializer;

    use super::*;
    use crate::protocol::value;

    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle { radius: f32 },
    }

    fn json(arguments: &impl Serialize) -> (String, usize) {
        let encoded = value::encode(arguments).unwrap();
        let arguments = Arguments::of(&encoded).unwrap();
        let text = String::from_utf8(arguments.json).unwrap();
        (text, arguments.buffers.len())
    }

    #[test]
    fn arguments_become_what_python_reads() {
        assert_eq!(json(&()), ("[]".into(), 0));
        assert_eq!(json(&(Vec::<u8>::new(),)), ("[[]]".into(), 0));
        let map = BTreeMap::from([(1, None), (2, Some("a\"b"))]);
        let arguments = (
            -1,
            0.1_f32,
            f64::NAN,
            map,
            Shape::Point,
            Shape::Circle { radius: 1.0 },
        );
        assert_eq!(
            json(&arguments).0,
            r#"[-1,0.1,NaN,{"1":null,"2":"a\"b"},"Point",{"Circle":{"radius":1.0}}]"#
        );
    }

    #[test]
    fn bytes_go_beside_the_text() {
        struct Bytes;
        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&[0, 255])
            }
        }
        assert_eq!(json(&(1, Bytes)), ("[1,{\"\\u0000bytes\":0}]".into(), 1));
    }
}
