//! What Python returns: JSON in which keys stand for what JSON has not. What an array becomes is a matter of the type that it is to be:
//! numbers of a list, or the bytes that it lies in.

use std::num::ParseFloatError;

use serde::Deserialize;
use serde::de::value::{Error, MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::values::{ARRAY, BYTES, FLOAT};

/// Decodes JSON with these buffers beside it.
pub(crate) fn decode<T: DeserializeOwned>(json: &[u8], buffers: &[Vec<u8>]) -> Result<T, String> {
    let value: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let value = &value;
    T::deserialize(Returned { value, buffers }).map_err(|error| error.to_string())
}

/// A value, and the buffers of all.
#[derive(Clone, Copy)]
struct Returned<'de> {
    value: &'de Value,
    buffers: &'de [Vec<u8>],
}

/// What a key stands for.
enum Found<'de> {
    Plain,
    Bytes(&'de [u8]),
    Float(f64),
    Array(Array<'de>),
}

impl<'de> Returned<'de> {
    fn found(&self) -> Result<Found<'de>, Error> {
        let Value::Object(entries) = self.value else {
            return Ok(Found::Plain);
        };
        let only = entries.iter().next().filter(|_| entries.len() == 1);
        let malformed = || Error::custom("the interpreter said something unknown");
        Ok(match only.map(|(key, value)| (key.as_str(), value)) {
            Some((BYTES, number)) => Found::Bytes(self.buffer(number).ok_or_else(malformed)?),
            Some((FLOAT, Value::String(text))) => {
                let float = text.parse();
                Found::Float(float.map_err(|error: ParseFloatError| Error::custom(error))?)
            }
            Some((ARRAY, said)) => Found::Array(self.array(said).ok_or_else(malformed)?),
            _ => Found::Plain,
        })
    }

    fn buffer(&self, number: &Value) -> Option<&'de [u8]> {
        let number = usize::try_from(number.as_u64()?).ok()?;
        self.buffers.get(number).map(Vec::as_slice)
    }

    fn array(&self, said: &Value) -> Option<Array<'de>> {
        let (number, item, shape) = <(Value, String, Vec<usize>)>::deserialize(said).ok()?;
        let item = Item::of(&item)?;
        let bytes = self.buffer(&number)?;
        let length = shape
            .iter()
            .try_fold(item.size, |all, one| all.checked_mul(*one))?;
        (length == bytes.len() && !shape.is_empty()).then_some(Array { bytes, item, shape })
    }

    fn beside(self, value: &'de Value) -> Self {
        Self { value, ..self }
    }
}

impl<'de> IntoDeserializer<'de> for Returned<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Returned<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found()? {
            Found::Plain => {}
            Found::Bytes(bytes) => return visitor.visit_borrowed_bytes(bytes),
            Found::Float(float) => return visitor.visit_f64(float),
            Found::Array(array) => return array.deserialize_any(visitor),
        }
        match self.value {
            Value::Array(items) => {
                let items = items.iter().map(|value| self.beside(value));
                let mut items = SeqDeserializer::new(items);
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| (Key(key), self.beside(value)));
                let mut entries = MapDeserializer::new(entries);
                let value = visitor.visit_map(&mut entries)?;
                entries.end()?;
                Ok(value)
            }
            plain => plain.deserialize_any(visitor).map_err(Error::custom),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found()? {
            Found::Array(array) => visitor.visit_borrowed_bytes(array.bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.found()? {
            Found::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Object(entries) if entries.len() == 1 => {
                let entries = entries.iter();
                let entries = entries.map(|(key, value)| (key.as_str(), self.beside(value)));
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(entries)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// Keys are texts: those of numbers are read.
macro_rules! keys {
    ($of:lifetime: $($type:ident $deserialize:ident $visit:ident)*) => {
        $(fn $deserialize<V: Visitor<$of>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse::<$type>() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        })*
    };
}

/// A key of an object: a text, which may be that of a number.
struct Key<'de>(&'de str);

impl<'de> IntoDeserializer<'de> for Key<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    keys! {
        'de:
        bool deserialize_bool visit_bool
        i8 deserialize_i8 visit_i8
        i16 deserialize_i16 visit_i16
        i32 deserialize_i32 visit_i32
        i64 deserialize_i64 visit_i64
        i128 deserialize_i128 visit_i128
        u8 deserialize_u8 visit_u8
        u16 deserialize_u16 visit_u16
        u32 deserialize_u32 visit_u32
        u64 deserialize_u64 visit_u64
        u128 deserialize_u128 visit_u128
        f32 deserialize_f32 visit_f32
        f64 deserialize_f64 visit_f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// An array, or a part of one: numbers, in the order of C.
#[derive(Clone)]
struct Array<'de> {
    bytes: &'de [u8],
    item: Item,
    /// How many there are, of the outermost dimension first.
    shape: Vec<usize>,
}

impl<'de> IntoDeserializer<'de> for Array<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Array<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { bytes, item, shape } = self;
        let (count, inner) = shape.split_first().expect("an array has a dimension");
        if inner.is_empty() {
            return item.list(bytes, visitor);
        }
        let length = item.size * inner.iter().product::<usize>();
        let parts = (0..*count).map(|index| Self {
            bytes: &bytes[index * length..(index + 1) * length],
            item,
            shape: inner.to_vec(),
        });
        visitor.visit_seq(SeqDeserializer::new(parts))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.bytes)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// What an array is of: its kind, and how many bytes each takes.
#[derive(Clone, Copy)]
struct Item {
    kind: u8,
    size: usize,
}

impl Item {
    /// `f8`, as `driver.py` says it.
    fn of(text: &str) -> Option<Self> {
        let [kind, size @ b'1'..=b'8'] = *text.as_bytes() else {
            return None;
        };
        let size = usize::from(size - b'0');
        let is_known = match kind {
            b'b' => size == 1,
            b'i' | b'u' => matches!(size, 1 | 2 | 4 | 8),
            b'f' => matches!(size, 2 | 4 | 8),
            _ => false,
        };
        is_known.then_some(Self { kind, size })
    }

    /// The numbers that lie in these bytes.
    fn list<'de, V: Visitor<'de>>(self, bytes: &'de [u8], visitor: V) -> Result<V::Value, Error> {
        match (self.kind, self.size) {
            (b'b', _) => list(bytes, |[byte]| byte != 0, visitor),
            (b'i', 1) => list(bytes, i8::from_ne_bytes, visitor),
            (b'i', 2) => list(bytes, i16::from_ne_bytes, visitor),
            (b'i', 4) => list(bytes, i32::from_ne_bytes, visitor),
            (b'i', _) => list(bytes, i64::from_ne_bytes, visitor),
            (b'u', 1) => list(bytes, u8::from_ne_bytes, visitor),
            (b'u', 2) => list(bytes, u16::from_ne_bytes, visitor),
            (b'u', 4) => list(bytes, u32::from_ne_bytes, visitor),
            (b'u', _) => list(bytes, u64::from_ne_bytes, visitor),
            (_, 2) => list(bytes, |bytes| half(u16::from_ne_bytes(bytes)), visitor),
            (_, 4) => list(bytes, f32::from_ne_bytes, visitor),
            _ => list(bytes, f64::from_ne_bytes, visitor),
        }
    }
}

fn list<'de, const N: usize, T: IntoDeserializer<'de, Error>, V: Visitor<'de>>(
    bytes: &'de [u8],
    number: fn([u8; N]) -> T,
    visitor: V,
) -> Result<V::Value, Error> {
    let (numbers, _) = bytes.as_chunks::<N>();
    visitor.visit_seq(SeqDeserializer::new(
        numbers.iter().map(|bytes| number(*bytes)),
    ))
}

/// A number of half the precision.
fn half(bits: u16) -> f32 {
    let fraction = f32::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2_f32.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_bytes::ByteBuf;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Point,
        Circle { radii: Vec<f32> },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        map: BTreeMap<u32, Option<ByteBuf>>,
        shapes: (Shape, Shape),
        loss: f64,
    }

    /// An array of the numbers 1 and 2, as a list of two of these.
    fn of<T: DeserializeOwned>(item: &str, bytes: &[u8]) -> Result<T, String> {
        let json = format!("{{\"\\u0000array\":[0,\"{item}\",[2]]}}");
        decode(json.as_bytes(), &[bytes.to_vec()])
    }

    #[test]
    fn an_array_is_numbers_or_bytes_as_the_type_says() {
        let floats: Vec<u8> = [1.0_f64, f64::NAN].map(f64::to_ne_bytes).concat();
        let list: Vec<f64> = of("f8", &floats).unwrap();
        assert!(list[0] == 1.0 && list[1].is_nan());
        assert_eq!(of::<ByteBuf>("f8", &floats).unwrap(), floats);
        assert_eq!(of::<(f32, f32)>("f2", &[0, 60, 0, 192]), Ok((1.0, -2.0)));
        assert_eq!(of::<[i64; 2]>("i1", &[255, 1]), Ok([-1, 1]));
        assert_eq!(
            of::<Vec<u16>>("u2", &[1_u16, 65535].map(u16::to_ne_bytes).concat()),
            Ok(vec![1, 65535])
        );
        assert_eq!(of::<Vec<bool>>("b1", &[0, 1]), Ok(vec![false, true]));
        assert_eq!(
            of::<Option<Value>>("u1", &[1, 2]),
            Ok(Some(serde_json::json!([1, 2])))
        );
        of::<Vec<u8>>("i1", &[255, 1]).unwrap_err();
        // Of another length, and of a kind that is none.
        of::<Vec<u8>>("u1", &[1]).unwrap_err();
        of::<Vec<u8>>("u3", &[1; 6]).unwrap_err();
    }

    #[test]
    fn dimensions_are_lists_of_lists() {
        let json = br#"{"\u0000array":[0,"u1",[2,1,3]]}"#;
        let buffers = [vec![1, 2, 3, 4, 5, 6]];
        let nested: Vec<[Vec<u8>; 1]> = decode(json, &buffers).unwrap();
        assert_eq!(nested, [[vec![1, 2, 3]], [vec![4, 5, 6]]]);
        let rows: Vec<ByteBuf> = decode(json, &buffers).unwrap();
        assert_eq!(rows, [[1, 2, 3], [4, 5, 6]]);
        let none: Vec<Vec<u8>> = decode(br#"{"\u0000array":[0,"u1",[2,0]]}"#, &[vec![]]).unwrap();
        assert_eq!(none, [[0_u8; 0], []]);
    }

    #[test]
    fn what_stands_beside_them_is_as_json_has_it() {
        let json = br#"{"map":{"1":{"\u0000bytes":0},"7":null},"shapes":["Point",{"Circle":{"radii":{"\u0000array":[1,"f4",[1]]}}}],"loss":{"\u0000float":"-inf"}}"#;
        let buffers = [vec![0, 255], 0.5_f32.to_ne_bytes().to_vec()];
        let all: All = decode(json, &buffers).unwrap();
        let circle = Shape::Circle { radii: vec![0.5] };
        assert_eq!(
            all,
            All {
                map: [(1, Some(ByteBuf::from([0, 255]))), (7, None)].into(),
                shapes: (Shape::Point, circle),
                loss: f64::NEG_INFINITY,
            }
        );
        assert_eq!(
            decode::<Vec<u8>>(br#"{"\u0000bytes":0}"#, &buffers),
            Ok(vec![0, 255])
        );
        decode::<ByteBuf>(br#"{"\u0000bytes":2}"#, &buffers).unwrap_err();
    }
}
