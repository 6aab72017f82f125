//! Local archives that `ADD` unpacks: tar, as it is or packed by gzip, xz or zstd.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Component, Path, PathBuf};

use super::placed::{directories, put};
use crate::engine::{FileSink, FileSource};

/// Where a tar header says that it is one.
const MAGIC_AT: usize = 257;

/// How much memory a decoder of xz may take.
const XZ_LIMIT: u64 = 256 << 20;

/// An archive on its way to a directory.
pub(super) struct Archive {
    file: PathBuf,
    target: PathBuf,
}

impl Archive {
    /// The archive that a file is, if it is one.
    pub(super) fn of(file: &Path, target: PathBuf) -> io::Result<Option<Self>> {
        let mut start = [0; MAGIC_AT + 5];
        // What cannot be unpacked is no archive: it is copied as it is.
        let read = unpacked(file).and_then(|mut bytes| bytes.read_exact(&mut start));
        let is_archive = match read {
            Ok(()) => &start[MAGIC_AT..] == b"ustar",
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Err(error),
            Err(_) => false,
        };
        Ok(is_archive.then(|| Self {
            file: file.to_owned(),
            target,
        }))
    }

    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let mut inside = self.target.clone();
        for component in path.components() {
            match component {
                Component::Normal(name) => inside.push(name),
                Component::ParentDir => {
                    let said = format!("`{}` leads out of the archive", path.display());
                    return Err(io::Error::other(said));
                }
                _ => {}
            }
        }
        Ok(inside)
    }
}

impl FileSource for Archive {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(&self.target, sink)?;
        let mut archive = tar::Archive::new(unpacked(&self.file)?);
        for member in archive.entries()? {
            put(&mut member?, &|path| self.place(path), sink)?;
        }
        Ok(())
    }
}

/// The bytes of a file without its compression.
pub(super) fn unpacked(file: &Path) -> io::Result<Box<dyn Read>> {
    let mut opened = File::open(file)?;
    let mut magic = Vec::new();
    opened.by_ref().take(6).read_to_end(&mut magic)?;
    opened.rewind()?;
    let packed = io::BufReader::new(opened);
    Ok(match &magic[..] {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        b"\xfd7zXZ\0" => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_LIMIT, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(packed, stream))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(packed);
            Box::new(decoder.map_err(io::Error::other)?)
        }
        [b'B', b'Z', b'h', ..] => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "`ADD` does not unpack bzip2: `{}`\n  help: pack it with gzip, xz or zstd, or `COPY` it and unpack it in a `RUN`",
                    file.display()
                ),
            ));
        }
        _ => Box::new(packed),
    })
}
