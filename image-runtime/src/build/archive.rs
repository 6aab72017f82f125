//! Local archives that `ADD` unpacks: tar, as it is or packed by gzip, xz or zstd.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use super::placed::{directories, put};
use crate::context::{Content, NodeKind, Tree};
use crate::digest::Digest;
use crate::engine::{FileSink, FileSource};

/// Where a tar header says that it is one.
const MAGIC_AT: usize = 257;

/// How much memory a decoder of xz may take.
const XZ_LIMIT: u64 = 256 << 20;

/// An archive on its way to a directory. It is compared with its digest while it is unpacked: one that changed fails the walk.
pub(super) struct Archive {
    file: PathBuf,
    digest: Digest,
    size: u64,
    target: PathBuf,
}

impl Archive {
    /// The archive that a file is, if it is one.
    pub(super) fn of(tree: &Tree, target: PathBuf) -> io::Result<Option<Self>> {
        let file = tree.root();
        let Some(NodeKind::File { digest, size }) = tree.nodes().first().map(|node| &node.kind)
        else {
            return Ok(None);
        };
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
            digest: *digest,
            size: *size,
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
        let content = Content::open(self.file.clone(), self.digest, self.size)?;
        let mut content = BufReader::new(content);
        let mut archive = tar::Archive::new(decompressed(&mut content, &self.file)?);
        for member in archive.entries()? {
            put(&mut member?, &|path| self.place(path), sink)?;
        }
        drop(archive);
        // The digest is compared at the end, which nothing of an archive need be.
        io::copy(&mut content, &mut io::sink())?;
        Ok(())
    }
}

/// The bytes of a file without its compression.
pub(super) fn unpacked(file: &Path) -> io::Result<Box<dyn Read>> {
    decompressed(BufReader::new(File::open(file)?), file)
}

/// The same of what is read; `file` is what it is.
fn decompressed<'a>(mut packed: impl BufRead + 'a, file: &Path) -> io::Result<Box<dyn Read + 'a>> {
    let magic = packed.fill_buf()?;
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Entry;
    use crate::store::Store;

    /// Paths of what arrives.
    #[derive(Default)]
    struct Paths(Vec<PathBuf>);

    impl FileSink for Paths {
        fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
            self.0.push(entry.path.clone());
            io::copy(content, &mut io::sink()).map(|_| ())
        }
    }

    fn tar_of(text: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, "d/file", text.as_bytes())
            .unwrap();
        tar.into_inner().unwrap()
    }

    fn gzip_of(bytes: &[u8]) -> Vec<u8> {
        use io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    /// Walks an archive that holds other bytes by then than those that were hashed.
    fn walk(hashed: &[u8], sent: &[u8]) -> io::Result<Vec<PathBuf>> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("store")).unwrap();
        let file = folder.path().join("a.tar");
        std::fs::write(&file, hashed).unwrap();
        let tree = Tree::file(&store, &file).unwrap();
        let archive = Archive::of(&tree, "added".into()).unwrap().unwrap();
        std::fs::write(&file, sent).unwrap();
        let mut paths = Paths::default();
        Box::new(archive).walk(&mut paths)?;
        Ok(paths.0)
    }

    #[test]
    fn an_archive_that_is_as_it_was_hashed_is_unpacked() {
        // Whatever follows the end of the archive belongs to the file.
        let longer = [tar_of("one"), vec![0; 100_000]].concat();
        for bytes in [tar_of("one"), gzip_of(&tar_of("one")), longer] {
            let expected = ["added", "added/d/file"].map(PathBuf::from);
            assert_eq!(walk(&bytes, &bytes).unwrap(), expected);
        }
    }

    #[test]
    fn an_archive_that_changed_since_it_was_hashed_is_an_error() {
        let trailing = |byte: u8| [tar_of("one"), vec![byte; 100_000]].concat();
        for (hashed, sent) in [
            (tar_of("one"), tar_of("two")),
            (gzip_of(&tar_of("one")), gzip_of(&tar_of("two"))),
            (tar_of("one"), trailing(0)),
            (trailing(0), tar_of("one")),
            (trailing(0), trailing(1)),
        ] {
            let error = walk(&hashed, &sent).unwrap_err().to_string();
            assert!(error.contains("a.tar"), "{error}");
        }
    }
}
