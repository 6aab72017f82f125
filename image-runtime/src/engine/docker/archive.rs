//! Packs a tree of files into the tar stream that a daemon takes, on a thread of its own and never whole in memory.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::of_files;
use crate::engine::exact::Exact;
use crate::engine::{EngineError, Entry, EntryKind, FileSink, FileSource};

const CHUNK: usize = 128 * 1024;
const CHUNKS_AHEAD: usize = 8;

/// Decides where an entry goes: another path than its own, or nowhere.
pub(super) type Place = Box<dyn FnMut(&Entry) -> io::Result<Option<Entry>> + Send>;

/// What goes through the channel. A stream that ends without `End` was cut, and must fail.
enum Part {
    Bytes(Bytes),
    End,
}

/// The thread that packs.
pub(super) struct Packing(JoinHandle<Packed>);

struct Packed {
    result: io::Result<()>,
    /// The daemon stopped reading: then what it said is the cause, not what the walk failed with.
    hung_up: bool,
}

/// Begins to pack. The stream ends with an error unless every file was packed.
pub(super) fn pack(
    files: Box<dyn FileSource>,
    place: Place,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    Packing,
) {
    write(move |pipe| {
        let mut sink = TarSink::new(pipe, place);
        let filled = sink.fill(files);
        if filled.is_err() {
            // Closed before the builder is dropped, which would write an end of archive after half of the files.
            sink.tar.get_mut().sender = None;
        }
        filled
    })
}

/// Begins to write. The stream ends with an error unless the writing succeeds.
pub(super) fn write(
    write: impl FnOnce(&mut Pipe) -> io::Result<()> + Send + 'static,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    Packing,
) {
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    let packing = Packing(tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe {
            sender: Some(sender),
            buffer: BytesMut::with_capacity(CHUNK),
            hung_up: false,
        };
        let result = write(&mut pipe).and_then(|()| pipe.flush());
        if let (Some(sender), Ok(())) = (pipe.sender.take(), &result) {
            // The daemon may have read the end of the archive already and be gone.
            let _ = sender.blocking_send(Part::End);
        }
        Packed {
            result,
            hung_up: pipe.hung_up,
        }
    }));
    let parts = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Part::End) => None,
            None => Some((Err(io::Error::other("not all files could be read")), None)),
        }
    });
    (parts, packing)
}

impl Packing {
    /// Joins what the daemon answered and how the packing went into what happened.
    pub(super) async fn finish(self, answer: Result<(), EngineError>) -> Result<(), EngineError> {
        let packed = self.0.await.unwrap_or_else(|panic| Packed {
            result: Err(io::Error::other(panic)),
            hung_up: false,
        });
        match packed.result {
            Err(error) if !packed.hung_up => Err(of_files(error)),
            result => answer.and(result.map_err(of_files)),
        }
    }
}

/// The writing end of the stream.
pub(super) struct Pipe {
    sender: Option<mpsc::Sender<Part>>,
    buffer: BytesMut,
    hung_up: bool,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK));
        let sent = match &self.sender {
            Some(sender) => sender.blocking_send(Part::Bytes(full.freeze())).is_ok(),
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        self.hung_up |= !sent;
        sent.then_some(())
            .ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

/// Writes an archive.
pub(super) struct TarSink<W: Write> {
    tar: tar::Builder<W>,
    place: Place,
}

impl<W: Write> TarSink<W> {
    pub(super) fn new(to: W, place: Place) -> Self {
        Self {
            tar: tar::Builder::new(to),
            place,
        }
    }

    /// Takes all files, and writes the end of the archive.
    pub(super) fn fill(&mut self, files: Box<dyn FileSource>) -> io::Result<()> {
        catch_unwind(AssertUnwindSafe(|| files.walk(self)))
            .unwrap_or_else(|_| Err(io::Error::other("reading the files panicked")))
            .and_then(|()| self.tar.finish())
    }

    /// What was written to, with the end of the archive.
    pub(super) fn end(self) -> io::Result<W> {
        self.tar.into_inner()
    }
}

impl<W: Write> FileSink for TarSink<W> {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let Some(entry) = (self.place)(entry)? else {
            return Ok(());
        };
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(entry.mtime);
        header.set_size(0);
        match &entry.kind {
            EntryKind::File { size } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(*size);
                let mut exact = Exact::new(content, *size);
                return self
                    .tar
                    .append_data(&mut header, &entry.path, &mut exact)
                    .and_then(|()| exact.at_end())
                    .map_err(|error| {
                        io::Error::new(error.kind(), format!("`{}`: {error}", entry.path.display()))
                    });
            }
            EntryKind::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                return self.tar.append_link(&mut header, &entry.path, target);
            }
            EntryKind::HardLink { target } => {
                header.set_entry_type(tar::EntryType::Link);
                return self.tar.append_link(&mut header, &entry.path, target);
            }
            EntryKind::CharacterDevice { major, minor } => {
                header.set_entry_type(tar::EntryType::Char);
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
            }
            EntryKind::Directory => header.set_entry_type(tar::EntryType::Directory),
            EntryKind::Fifo => header.set_entry_type(tar::EntryType::Fifo),
        }
        self.tar.append_data(&mut header, &entry.path, io::empty())
    }
}

/// Places every entry where it says.
pub(super) fn as_it_says() -> Place {
    Box::new(|entry| Ok(Some(entry.clone())))
}

/// The path without the leading `/`, as entries have it.
pub(super) fn relative(path: &str) -> PathBuf {
    PathBuf::from(path.trim_start_matches('/'))
}
