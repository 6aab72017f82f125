//! Reads a tar stream member by member. Headers are decoded by the `tar` crate; its own iterator is not used, because it
//! keeps names of any length in memory and loses the size of a file after an attribute with a line end in it.

use std::ffi::OsString;
use std::io::{self, BufReader, Read};

use rustix::fs::Timespec;
use tar::{EntryType, Header};

use super::pax::{self, Records};

const BLOCK: usize = 512;
/// The longest header for names and attributes, as Go has it, which most layers are written with.
const LONGEST: u64 = 1 << 20;

const AT_ONCE: usize = 64 * 1024;

/// A tar stream.
pub(super) struct Archive<R> {
    stream: BufReader<R>,
    /// Bytes of the current member that were not read yet.
    left: u64,
    /// Bytes after it that fill its last block.
    padding: u64,
}

/// A member. Its content is what [`Archive`] reads next.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) extended: Vec<(OsString, Vec<u8>)>,
    is_sparse: bool,
    uid: Option<u64>,
    gid: Option<u64>,
    time: Option<Timespec>,
    header: Header,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            stream: BufReader::with_capacity(AT_ONCE, stream),
            left: 0,
            padding: 0,
        }
    }

    /// The next member; none at the end of the archive.
    pub(super) fn next(&mut self) -> io::Result<Option<Member>> {
        let (mut name, mut link, mut records) = (None, None, None);
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return match (&name, &link, &records) {
                    (None, None, None) => Ok(None),
                    _ => Err(cut_short()),
                };
            };
            let size = header.entry_size().map_err(|_| broken())?;
            match header.entry_type() {
                EntryType::GNULongName => name = Some(until_nul(self.special(size)?)),
                EntryType::GNULongLink => link = Some(until_nul(self.special(size)?)),
                EntryType::XHeader => records = Some(pax::read(&self.special(size)?)?),
                EntryType::XGlobalHeader => self.set_size(size),
                _ => {
                    let Records {
                        path,
                        link: pax_link,
                        size: pax_size,
                        uid,
                        gid,
                        time,
                        extended,
                        is_sparse,
                    } = records.unwrap_or_default();
                    let member = Member {
                        path: path
                            .or(name)
                            .unwrap_or_else(|| header.path_bytes().into_owned()),
                        link: pax_link.or(link).unwrap_or_else(|| {
                            header.link_name_bytes().unwrap_or_default().into_owned()
                        }),
                        extended,
                        is_sparse,
                        uid,
                        gid,
                        time,
                        header,
                    };
                    let size = pax_size.unwrap_or(size);
                    self.set_size(if member.has_content() { size } else { 0 });
                    return Ok(Some(member));
                }
            }
        }
    }

    /// Reads the stream to its end, so that whoever unpacks or digests it sees all of it.
    pub(super) fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(drop)
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut read = 0;
        while read < BLOCK {
            match self.stream.read(&mut block[read..]) {
                Ok(0) if read == 0 => return Ok(None),
                Ok(0) => return Err(cut_short()),
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        // The sum counts its own field as blanks.
        let others = block[..148].iter().chain(&block[156..]);
        let sum = others.map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        // A fuzzer would never find the sum.
        if !cfg!(feature = "fuzz") && header.cksum().ok() != Some(sum) {
            return Err(broken());
        }
        Ok(Some(header))
    }

    /// Reads a member that tells of the next one.
    fn special(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > LONGEST {
            return Err(io::Error::other(format!(
                "the archive has a name of more than {LONGEST} bytes"
            )));
        }
        self.set_size(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn set_size(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink())?;
        let padding = std::mem::take(&mut self.padding);
        // Some archives end before their last block is full.
        io::copy(&mut self.stream.by_ref().take(padding), &mut io::sink()).map(drop)
    }
}

/// The content of the current member.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.stream.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(cut_short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

impl Member {
    /// What it is. Nothing where layers do not have its kind.
    pub(super) fn kind(&self) -> Option<EntryType> {
        match self.header.entry_type() {
            _ if self.is_sparse => None,
            // Before there was a kind for them, directories were told by their names.
            EntryType::Regular if self.header.as_old().linkflag == [0] && self.ends_in_slash() => {
                Some(EntryType::Directory)
            }
            EntryType::Regular | EntryType::Continuous => Some(EntryType::Regular),
            kind @ (EntryType::Directory
            | EntryType::Symlink
            | EntryType::Link
            | EntryType::Char
            | EntryType::Block
            | EntryType::Fifo) => Some(kind),
            _ => None,
        }
    }

    fn ends_in_slash(&self) -> bool {
        self.path.ends_with(b"/")
    }

    /// Whether content follows the header: some archives give links and directories a size that is not there.
    fn has_content(&self) -> bool {
        !matches!(
            self.kind(),
            Some(
                EntryType::Directory
                    | EntryType::Symlink
                    | EntryType::Link
                    | EntryType::Char
                    | EntryType::Block
                    | EntryType::Fifo
            )
        )
    }

    pub(super) fn mode(&self) -> io::Result<u32> {
        number(self.header.mode())
    }

    pub(super) fn uid(&self) -> io::Result<u64> {
        self.uid.map_or_else(|| number(self.header.uid()), Ok)
    }

    pub(super) fn gid(&self) -> io::Result<u64> {
        self.gid.map_or_else(|| number(self.header.gid()), Ok)
    }

    pub(super) fn time(&self) -> io::Result<Timespec> {
        match self.time {
            Some(time) => Ok(time),
            None => Ok(Timespec {
                // A binary number may be negative.
                tv_sec: number(self.header.mtime())?.cast_signed(),
                tv_nsec: 0,
            }),
        }
    }

    /// Major and minor number.
    pub(super) fn device(&self) -> io::Result<(u32, u32)> {
        let major = number(self.header.device_major())?;
        let minor = number(self.header.device_minor())?;
        Ok((major.unwrap_or_default(), minor.unwrap_or_default()))
    }
}

/// The crate's own text would bear the name as it is, with what a terminal obeys.
fn number<T>(read: io::Result<T>) -> io::Result<T> {
    read.map_err(|_| io::Error::other("a number in its header is broken"))
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

fn broken() -> io::Error {
    io::Error::other("it is no tar archive, or a broken one")
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short")
}
