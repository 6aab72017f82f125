//! Unpacks the compression of a layer. Which one it is, the first bytes tell: manifests are wrong about it now and then.

use std::io::{self, BufRead as _, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The bytes of a layer as a tar stream: what gzip and zstd pack, and anything else as it is.
pub(in crate::engine::embedded) fn decompress<R: Read>(
    mut packed: R,
) -> io::Result<impl Read + use<R>> {
    let mut start = Vec::with_capacity(4);
    packed.by_ref().take(4).read_to_end(&mut start)?;
    let magic: [u8; 4] = std::array::from_fn(|at| start.get(at).copied().unwrap_or_default());
    let whole = Cursor::new(start).chain(packed);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Unpacked::Gzip(Box::new(MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            Unpacked::Zstd(Box::new(Frames {
                packed: BufReader::new(whole),
                decoder: FrameDecoder::new(),
            }))
        }
        _ => Unpacked::Plain(whole),
    })
}

enum Unpacked<R> {
    Plain(R),
    /// Of any number of parts: those who pack in parallel, or to find files again, begin anew often.
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<Frames<R>>),
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bytes) => bytes.read(buffer),
            Self::Gzip(bytes) => bytes.read(buffer),
            Self::Zstd(bytes) => bytes.read(buffer),
        }
    }
}

/// The frames of a zstd stream, one after the other.
struct Frames<R> {
    packed: BufReader<R>,
    decoder: FrameDecoder,
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !buffer.is_empty() {
            if !self.decoder.is_finished() {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.packed, block)
                    .map_err(io::Error::other)?;
            } else if self.packed.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin()?;
            }
        }
        self.decoder.read(buffer)
    }
}

impl<R: Read> Frames<R> {
    /// Begins a frame, or passes over one that holds no content.
    fn begin(&mut self) -> io::Result<()> {
        use FrameDecoderError::ReadFrameHeaderError as Header;
        match self.decoder.init(&mut self.packed) {
            Err(Header(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = u64::from(length);
                let passed = io::copy(&mut self.packed.by_ref().take(length), &mut io::sink())?;
                if passed < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(())
            }
            begun => begun.map_err(io::Error::other),
        }
    }
}
