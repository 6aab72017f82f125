//! Frames: a header of sixteen bytes, and a body.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..4 | length of the body, big endian |
//! | 4 | [`Kind`] |
//! | 5..8 | zero |
//! | 8..16 | number that joins question and answer, big endian |

use super::Kind;

/// Length of a header in bytes.
pub const HEADER_LENGTH: usize = 16;

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the body is.
    pub kind: Kind,
    /// Joins question and answer.
    pub number: u64,
    /// Bytes of the body.
    pub length: u32,
}

/// The bytes are not a frame, or a body does not fit into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The fifth byte is no kind, or the padding is not zero.
    #[error("not a frame of this protocol")]
    NotAFrame,
    /// More than 4 GiB.
    #[error("a value of {0} bytes does not fit into one message: at most 4 GiB do")]
    TooLong(usize),
    /// It does not fit into memory.
    #[error("there is no memory for a value of {0} bytes")]
    NoMemory(usize),
}

impl Header {
    /// The header of a body.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] from 4 GiB on.
    pub fn new(kind: Kind, number: u64, body_length: usize) -> Result<Self, FrameError> {
        let length = u32::try_from(body_length).map_err(|_| FrameError::TooLong(body_length))?;
        Ok(Self {
            kind,
            number,
            length,
        })
    }

    /// The header of a body that lies in parts.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] from 4 GiB on.
    pub fn of(kind: Kind, number: u64, parts: &[&[u8]]) -> Result<Self, FrameError> {
        Self::new(kind, number, parts.iter().map(|part| part.len()).sum())
    }

    /// As bytes.
    pub fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[..4].copy_from_slice(&self.length.to_be_bytes());
        bytes[4] = self.kind as u8;
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`FrameError::NotAFrame`]
    pub fn from_bytes(bytes: [u8; HEADER_LENGTH]) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, kind, 0, 0, 0, number @ ..] = bytes else {
            return Err(FrameError::NotAFrame);
        };
        Ok(Self {
            kind: Kind::try_from(kind).map_err(|_| FrameError::NotAFrame)?,
            number: u64::from_be_bytes(number),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }
}

/// A whole frame whose body is the parts, one after the other.
///
/// # Errors
/// [`FrameError::TooLong`] from 4 GiB on.
pub fn encode(kind: Kind, number: u64, parts: &[&[u8]]) -> Result<Vec<u8>, FrameError> {
    let header = Header::of(kind, number, parts)?;
    let mut frame = Vec::with_capacity(HEADER_LENGTH + header.length as usize);
    frame.extend_from_slice(&header.to_bytes());
    for part in parts {
        frame.extend_from_slice(part);
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_trip() {
        let header = Header::new(Kind::Call, 0x0102_0304_0506_0708, 77).unwrap();
        assert_eq!(Header::from_bytes(header.to_bytes()), Ok(header));
    }

    #[test]
    fn foreign_bytes_are_no_header() {
        for bytes in [[0; 16], [0xff; 16], *b"HTTP/1.1 400 Bad"] {
            assert_eq!(Header::from_bytes(bytes), Err(FrameError::NotAFrame));
        }
    }
}
