//! Values that are bytes, as arguments or results of their own: they cross as what they are, where serde takes a `Vec<u8>` for a list of
//! numbers, and a large one is not even copied.
//!
//! The expansions know the types. [`Put`] and [`Take`] have methods for those that are bytes; for all others the methods of traits of
//! the same names are found: methods of a type come first.

use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::protocol::payload::{Bulk, Bytes, Way};

/// A value on its way out: `Put(value).aside(&mut bulk)` is what is encoded in its place.
#[derive(Debug)]
pub struct Put<T>(pub T);

impl Put<Vec<u8>> {
    /// Bytes.
    pub fn aside(self, bulk: &mut Bulk) -> Bytes {
        Bytes::new(self.0, bulk)
    }
}

impl Put<ByteBuf> {
    /// Bytes.
    pub fn aside(self, bulk: &mut Bulk) -> Bytes {
        Bytes::new(self.0.into_vec(), bulk)
    }
}

impl Put<&[u8]> {
    /// Bytes.
    pub fn aside(self, bulk: &mut Bulk) -> Bytes {
        Bytes::copied(self.0, bulk)
    }
}

/// [`Put`] for values that are no bytes.
pub trait PutOther<T> {
    /// The value.
    fn aside(self, bulk: &mut Bulk) -> T;
}

impl<T> PutOther<T> for Put<T> {
    fn aside(self, _: &mut Bulk) -> T {
        self.0
    }
}

/// A value that arrives: `Take::<T>::new().way()` says how it is taken.
#[derive(Debug)]
pub struct Take<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Take<T> {
    /// Of this type.
    #[expect(clippy::new_without_default, reason = "it is made in expansions only")]
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl Take<Vec<u8>> {
    /// Bytes.
    pub fn way(self) -> Way<Vec<u8>> {
        |arrived| arrived.bytes()
    }
}

impl Take<ByteBuf> {
    /// Bytes.
    pub fn way(self) -> Way<ByteBuf> {
        |arrived| arrived.bytes().map(ByteBuf::from)
    }
}

/// [`Take`] for values that are no bytes.
pub trait TakeOther<T> {
    /// Whatever serde makes of it.
    fn way(self) -> Way<T>;
}

impl<T: DeserializeOwned> TakeOther<T> for Take<T> {
    fn way(self) -> Way<T> {
        |arrived| arrived.any()
    }
}

/// The stand-in of [`Take`] for a type that has been refused: only where there is no other method, a reference is taken.
pub trait CannotTake<T> {
    /// Never called.
    fn way(self) -> Way<T>;
}

impl<T> CannotTake<T> for &Take<T> {
    fn way(self) -> Way<T> {
        |_| unreachable!("the type has been refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::payload::{Arrived, LARGE, Payload, join, split};

    struct Stays;

    #[test]
    fn bytes_cross_as_bytes_and_one_large_value_beside_the_others() {
        let (small, large) = (vec![200_u8; 100], vec![201_u8; LARGE]);
        let mut bulk = None;
        let values = (
            Put(small.clone()).aside(&mut bulk),
            Put(7).aside(&mut bulk),
            Put(&large[..]).aside(&mut bulk),
            Put(ByteBuf::from(large.clone())).aside(&mut bulk),
        );
        let encoded = join(&values, bulk).unwrap();
        // What is a list of numbers to serde would take two bytes each.
        assert!(encoded.len() < small.len() + 2 * LARGE + 40);
        let Payload { head, bulk } = split(encoded).unwrap();
        let mut arrived = Arrived::values(&head, bulk, 4).unwrap();
        assert_eq!(Take::<Vec<u8>>::new().way()(&mut arrived).unwrap(), small);
        assert_eq!(Take::<i32>::new().way()(&mut arrived).unwrap(), 7);
        assert_eq!(Take::<Vec<u8>>::new().way()(&mut arrived).unwrap(), large);
        assert_eq!(Take::<ByteBuf>::new().way()(&mut arrived).unwrap(), large);
    }

    #[test]
    fn a_type_that_cannot_cross_has_a_way_that_is_never_gone() {
        let _: Way<Stays> = Take::<Stays>::new().way();
        let _ = Put(Stays).aside(&mut None);
    }
}
