//! Memory for bodies of frames. Its first use is what large values cost most: the kernel clears each page when that is written to.

use std::io::{self, Write};

use rustix::mm::{Advice, madvise};

use super::FrameError;

/// From which size on it is worth asking the kernel for anything.
const LARGE: usize = 4 << 20;

/// A multiple of every page size.
const PAGE: usize = 64 << 10;

/// Makes room for so many more bytes, which may be on the word of a header: the kernel gives memory when it is written to. Of large
/// buffers it is asked for huge pages, with which 64 MiB are written in a fifth of the time.
///
/// # Errors
/// [`FrameError::NoMemory`]
pub fn reserve(bytes: &mut Vec<u8>, additional: usize) -> Result<(), FrameError> {
    if bytes.capacity() - bytes.len() >= additional {
        return Ok(());
    }
    bytes
        .try_reserve(additional)
        .map_err(|_| FrameError::NoMemory(additional))?;
    if bytes.capacity() >= LARGE {
        let begin = bytes.as_mut_ptr();
        let before = begin.align_offset(PAGE);
        let length = bytes.capacity().saturating_sub(before);
        #[expect(unsafe_code, reason = "advice is given on addresses")]
        // SAFETY: the range is that of the vector's own memory, and this advice changes nothing of what is in it.
        let advised = unsafe { madvise(begin.add(before).cast(), length, Advice::LinuxHugepage) };
        // A kernel without huge pages gives small ones.
        let _ = advised;
    }
    Ok(())
}

/// Bytes that something is written to.
#[derive(Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        reserve(&mut self.0, bytes.len()).map_err(io::Error::other)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_not_there_is_an_error() {
        let mut bytes = vec![1];
        let failed = reserve(&mut bytes, usize::MAX / 4);
        assert_eq!(failed, Err(FrameError::NoMemory(usize::MAX / 4)));
        assert_eq!(bytes, [1]);
    }

    #[test]
    fn room_takes_no_memory_until_it_is_written_to() {
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let mut lines = status.lines();
            let kib = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        let mut bytes = Vec::new();
        // As much as a header can announce. Where that cannot be, it is said.
        if reserve(&mut bytes, u32::MAX as usize).is_ok() {
            bytes.push(1);
            assert!(resident() < before + (1 << 20));
        }
    }

    #[test]
    fn what_is_written_in_pieces_of_any_size_is_there() {
        let mut body = Body::default();
        for size in [0, 1, 4096, LARGE - 1, 3 * LARGE, 5] {
            body.write_all(&vec![size as u8; size]).unwrap();
        }
        assert_eq!(body.0.len(), 1 + 4096 + 4 * LARGE - 1 + 5);
        assert!(body.0.ends_with(&[0, 5, 5, 5, 5, 5]));
    }
}
