//! When a worker worked on a call: before the body of its answer, where the host has asked for that.

/// Times of a call, in nanoseconds of the machine's monotonic clock, which host and worker share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// When the call was received.
    pub received: u64,
    /// When its function began.
    pub begun: u64,
    /// When that ended.
    pub ended: u64,
}

impl Stamp {
    const LENGTH: usize = 24;

    /// An answer with this before it.
    pub fn before(&self, body: &[u8]) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(Self::LENGTH + body.len());
        for time in [self.received, self.begun, self.ended] {
            stamped.extend_from_slice(&time.to_be_bytes());
        }
        stamped.extend_from_slice(body);
        stamped
    }

    /// Takes it off an answer; nothing where there is none.
    pub fn take_off(body: &mut Vec<u8>) -> Option<Self> {
        let [received, begun, ended] = body
            .first_chunk::<{ Self::LENGTH }>()?
            .as_chunks::<8>()
            .0
            .first_chunk()
            .map(|times: &[[u8; 8]; 3]| times.map(u64::from_be_bytes))?;
        body.drain(..Self::LENGTH);
        Some(Self {
            received,
            begun,
            ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_before_an_answer_comes_off_again() {
        let stamp = Stamp {
            received: 1,
            begun: u64::MAX,
            ended: 7,
        };
        let mut body = stamp.before(b"answer");
        assert_eq!(Stamp::take_off(&mut body), Some(stamp));
        assert_eq!(body, b"answer");
        assert_eq!(Stamp::take_off(&mut body), None);
        assert_eq!(body, b"answer");
    }
}
