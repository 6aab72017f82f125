//! Arguments and results of functions: MessagePack, and beside it the bytes of one large value, which no one copies on the way.
//!
//! | bytes | what |
//! | --- | --- |
//! | the first ones | a large value that is bytes, as it is; mostly there is none |
//! | what follows | all values in [the usual encoding](super::value); nil stands for that one |
//! | the last four | the length of those, big endian |

mod arrived;

use serde::Serialize;

pub use arrived::{Arrived, Bulk, Bytes, Way, arguments, result};

use super::{FrameError, value};

/// Values of this many bytes go beside the others.
pub const LARGE: usize = 256 * 1024;

const FOOTER: usize = 4;

/// What arrived.
#[derive(Debug)]
pub struct Payload {
    /// All values, encoded.
    pub head: Vec<u8>,
    /// The large one, for which nil stands.
    pub bulk: Bulk,
}

/// Encodes values beside a large one.
///
/// # Errors
/// What the values' `Serialize` says, or that there is no room.
pub fn join<T: Serialize + ?Sized>(values: &T, bulk: Bulk) -> Result<Vec<u8>, String> {
    let mut head = value::encode(values)?;
    let length = u32::try_from(head.len())
        .map_err(|_| FrameError::TooLong(head.len()).to_string())?
        .to_be_bytes();
    let Some(mut payload) = bulk else {
        head.extend_from_slice(&length);
        return Ok(head);
    };
    // No more than that: twice the room for a few bytes would be much.
    let more = head.len() + FOOTER;
    payload
        .try_reserve_exact(more)
        .map_err(|_| FrameError::NoMemory(payload.len() + more).to_string())?;
    payload.extend_from_slice(&head);
    payload.extend_from_slice(&length);
    Ok(payload)
}

/// Takes apart what [`join`] made.
///
/// # Errors
/// The bytes are nothing of the kind.
pub fn split(mut payload: Vec<u8>) -> Result<Payload, String> {
    let parts = payload
        .split_last_chunk::<FOOTER>()
        .and_then(|(rest, length)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            Some((rest.len(), rest.len().checked_sub(length)?))
        });
    let (end, begin) = parts.ok_or("it is cut off")?;
    payload.truncate(end);
    if begin == 0 {
        return Ok(Payload {
            head: payload,
            bulk: None,
        });
    }
    let head = payload[begin..].to_vec();
    payload.truncate(begin);
    Ok(Payload {
        head,
        bulk: Some(payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_is_split_and_the_large_value_stays_where_it_is() {
        let Payload { head, bulk } = split(join(&(1, "x"), None).unwrap()).unwrap();
        assert_eq!(value::decode(&head), Ok((1, "x".to_owned())));
        assert_eq!(bulk, None);

        let mut large = vec![7; LARGE];
        large.reserve(100);
        let place = large.as_ptr();
        let Payload { head, bulk } = split(join(&(), Some(large)).unwrap()).unwrap();
        assert_eq!(value::decode(&head), Ok(()));
        let bulk = bulk.unwrap();
        assert_eq!(bulk, vec![7; LARGE]);
        assert_eq!(bulk.as_ptr(), place);
    }

    #[test]
    fn other_bytes_are_an_error() {
        for bytes in [vec![], vec![0; 3], vec![0, 0, 0, 1], vec![0xff; 20]] {
            assert!(split(bytes).is_err());
        }
    }
}
