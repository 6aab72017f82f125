//! Reads a `.deb` file into memory: an `ar` archive of a version, a tar archive of control files, and one of the files proper.
//!
//! The `ar` part is read here: a `.deb` uses three plain headers of it, and the crates for it allocate and index by what a header says.

use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::PathBuf;

use super::path::{clean, path_of};
use crate::engine::EntryKind;

/// The most that a package may hold unpacked.
const UNPACKED_LIMIT: u64 = 512 << 20;
/// The most memory that a decoder may use.
const DECODER_LIMIT: u64 = 256 << 20;

/// A package in memory.
#[derive(Debug)]
pub(super) struct Deb {
    pub(super) control: Contents,
    pub(super) data: Contents,
}

/// An unpacked tar archive.
#[derive(Debug)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    pub(super) members: Vec<Member>,
}

/// An entry of it. Its path and the target of a hard link have no `..` and no `/` at the start.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: PathBuf,
    pub(super) kind: EntryKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: u64,
    content: Range<usize>,
}

impl Contents {
    pub(super) fn of(&self, member: &Member) -> &[u8] {
        &self.bytes[member.content.clone()]
    }
}

/// Reads a package.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(file: &[u8]) -> Result<Deb, String> {
    read_limited(file, UNPACKED_LIMIT)
}

/// Reads a package whose parts may have so many bytes unpacked.
pub(super) fn read_limited(file: &[u8], limit: u64) -> Result<Deb, String> {
    let members = ar_members(file)?;
    if members.first() != Some(&("debian-binary", b"2.0\n".as_slice())) {
        return Err("it is no Debian package of format 2.0".to_owned());
    }
    let part = |name: &str| {
        members
            .iter()
            .find_map(|(member, body)| Some((member.strip_prefix(name)?, *body)))
            .ok_or_else(|| format!("it has no `{name}`"))
            .and_then(|(compression, body)| {
                contents(compression, body, limit)
                    .map_err(|error| format!("its `{name}` is broken: {error}"))
            })
    };
    Ok(Deb {
        control: part("control.tar")?,
        data: part("data.tar")?,
    })
}

/// The members of an `ar` archive with short names.
fn ar_members(file: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let mut rest = file
        .strip_prefix(b"!<arch>\n")
        .ok_or("it is no `ar` archive")?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let broken = || "its `ar` archive is broken".to_owned();
        let (header, after) = rest.split_at_checked(60).ok_or_else(broken)?;
        let header = std::str::from_utf8(header)
            .ok()
            .filter(|header| header.is_ascii() && header.ends_with("`\n"));
        let header = header.ok_or_else(broken)?;
        let size: usize = header[48..58].trim_end().parse().map_err(|_| broken())?;
        let (body, after) = after.split_at_checked(size).ok_or_else(broken)?;
        members.push((header[..16].trim_end().trim_end_matches('/'), body));
        // Bodies are padded to an even length.
        rest = after.get(size % 2..).unwrap_or_default();
    }
    Ok(members)
}

/// Unpacks a tar archive that is compressed as the ending of its name says.
fn contents(compression: &str, packed: &[u8], limit: u64) -> io::Result<Contents> {
    let mut unpacked: Box<dyn Read + '_> = match compression {
        "" => Box::new(packed),
        ".gz" => Box::new(flate2::read::GzDecoder::new(packed)),
        ".xz" => Box::new(xz(packed)?),
        ".zst" => {
            Box::new(ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?)
        }
        other => {
            return Err(io::Error::other(format!(
                "`{other}` is no known compression"
            )));
        }
    };
    let mut bytes = Vec::new();
    unpacked.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    drop(unpacked);
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!(
            "it has more than {limit} bytes unpacked"
        )));
    }
    let members = members(&bytes)?;
    Ok(Contents { bytes, members })
}

/// A decoder of xz. It is the C library: built without optimisation, as a dependency in a debug build is, decoders in Rust are four times
/// slower.
pub(super) fn xz<R: Read>(packed: R) -> io::Result<liblzma::read::XzDecoder<R>> {
    let stream =
        liblzma::stream::Stream::new_stream_decoder(DECODER_LIMIT, liblzma::stream::CONCATENATED)?;
    Ok(liblzma::read::XzDecoder::new_stream(packed, stream))
}

fn members(bytes: &[u8]) -> io::Result<Vec<Member>> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut members = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let header = entry.header();
        let name = entry.path_bytes();
        let bad =
            |what: &str| io::Error::other(format!("`{}` {what}", String::from_utf8_lossy(&name)));
        let path = clean(&name).ok_or_else(|| bad("leaves the root directory"))?;
        let link = entry.link_name_bytes();
        let link = || {
            link.as_deref()
                .filter(|link| !link.is_empty())
                .ok_or_else(|| bad("has no target"))
        };
        let kind = match header.entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                EntryKind::File { size: entry.size() }
            }
            tar::EntryType::Directory => EntryKind::Directory,
            tar::EntryType::Symlink => EntryKind::Symlink {
                target: path_of(link()?),
            },
            tar::EntryType::Link => EntryKind::HardLink {
                target: clean(link()?)
                    .ok_or_else(|| bad("is a link that leaves the root directory"))?,
            },
            tar::EntryType::Char => EntryKind::CharacterDevice {
                major: header.device_major()?.unwrap_or_default(),
                minor: header.device_minor()?.unwrap_or_default(),
            },
            tar::EntryType::Fifo => EntryKind::Fifo,
            tar::EntryType::XGlobalHeader => continue,
            _ => return Err(bad("is of a kind that packages do not have")),
        };
        let number =
            |value: u64| u32::try_from(value).map_err(|_| bad("has an owner out of range"));
        let content = match kind {
            EntryKind::File { size } => range(entry.raw_file_position(), size, bytes.len())
                .ok_or_else(|| bad("is cut short"))?,
            _ => 0..0,
        };
        members.push(Member {
            path,
            kind,
            mode: header.mode()? & 0o7777,
            uid: number(header.uid()?)?,
            gid: number(header.gid()?)?,
            mtime: header.mtime()?,
            content,
        });
    }
    Ok(members)
}

fn range(start: u64, size: u64, length: usize) -> Option<Range<usize>> {
    let (start, end) = (
        usize::try_from(start).ok()?,
        usize::try_from(start.checked_add(size)?).ok()?,
    );
    (end <= length).then_some(start..end)
}
