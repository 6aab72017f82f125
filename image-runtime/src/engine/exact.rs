//! Content of a file that must be as long as was announced: a layer with fewer or more bytes of it means something else.

use std::io::{self, Read};

/// Gives exactly the bytes that were announced.
pub(crate) struct Exact<'a> {
    content: &'a mut dyn Read,
    left: u64,
}

impl<'a> Exact<'a> {
    pub(crate) fn new(content: &'a mut dyn Read, size: u64) -> Self {
        Self {
            content,
            left: size,
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn at_end(&mut self) -> io::Result<()> {
        match self.content.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::other("the file grew while it was read")),
        }
    }
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.content.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::other("the file shrank while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
