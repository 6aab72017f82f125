//! A reader that hashes what passes through it: for whoever unpacks a layer and wants to know afterwards whether it was the right one.

use std::io::{self, Read};

use crate::digest::{Digest, Hasher};

/// Reads from another reader and hashes what it reads.
#[derive(Debug)]
pub struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Hashing<R> {
    /// Hashes what is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// Reads what is left, which for a tar archive may be padding, and answers the digest of everything.
    ///
    /// # Errors
    /// The reader fails.
    pub fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finish())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_what_was_read_and_of_what_was_left() {
        let mut reader = Hashing::new(&b"some bytes"[..]);
        let mut start = [0; 4];
        reader.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"some");
        assert_eq!(reader.finish().unwrap(), Digest::of(b"some bytes"));
    }
}
