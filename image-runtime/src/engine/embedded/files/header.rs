//! Writes the header of one tar entry, with a PAX header before it only where a plain one has no room.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;

use tar::EntryType;

use super::pax::XATTR;

/// The highest number of the fields for owners: seven octal digits.
const MOST: u64 = 0o7_777_777;
/// Of the fields for sizes and times: eleven.
const MOST_LONG: u64 = 0o77_777_777_777;
const BLOCK: usize = 512;

/// What a header tells of a file.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) path: Vec<u8>,
    /// Where a link leads to.
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// In seconds since 1970.
    pub(super) time: i64,
    /// Of the content that follows.
    pub(super) size: u64,
    /// Names and values of extended attributes.
    pub(super) extended: Vec<(OsString, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl Header {
    pub(super) fn write(&self, kind: Kind, out: &mut dyn Write) -> io::Result<()> {
        let records = self.records();
        if !records.is_empty() {
            let size = records.len();
            let mut block = tar::Header::new_ustar();
            block.set_entry_type(EntryType::XHeader);
            // Nobody makes a file of it, and readers that know no PAX would make this one.
            put(
                &mut block.as_ustar_mut().expect("it was made so").name,
                b"pax",
            );
            number(&mut block, 0o644, (0, 0), 0, size as u64);
            out.write_all(block.as_bytes())?;
            out.write_all(&records)?;
            let padding = size.wrapping_neg() % BLOCK;
            out.write_all(&[0; BLOCK][..padding])?;
        }
        let mut block = tar::Header::new_ustar();
        let (entry_type, device) = match kind {
            Kind::File => (EntryType::Regular, None),
            Kind::Directory => (EntryType::Directory, None),
            Kind::Symlink => (EntryType::Symlink, None),
            Kind::HardLink => (EntryType::Link, None),
            Kind::Fifo => (EntryType::Fifo, None),
            Kind::CharacterDevice(major, minor) => (EntryType::Char, Some((major, minor))),
            Kind::BlockDevice(major, minor) => (EntryType::Block, Some((major, minor))),
        };
        block.set_entry_type(entry_type);
        let (major, minor) = device.unwrap_or_default();
        block.set_device_major(major)?;
        block.set_device_minor(minor)?;
        let fields = block.as_ustar_mut().expect("it was made so");
        put(&mut fields.name, &self.path);
        put(&mut fields.linkname, &self.link);
        let (uid, gid) = (fit(self.uid.into(), MOST), fit(self.gid.into(), MOST));
        let time = fit(u64::try_from(self.time).unwrap_or(0), MOST_LONG);
        number(
            &mut block,
            self.mode,
            (uid, gid),
            time,
            fit(self.size, MOST_LONG),
        );
        out.write_all(block.as_bytes())
    }

    /// What a plain header has no room for, as PAX writes it.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut add = |key: &[u8], value: &[u8]| record(&mut records, key, value);
        let fields = tar::Header::new_ustar();
        let fields = fields.as_ustar().expect("it was made so");
        if self.path.len() > fields.name.len() {
            add(b"path", &self.path);
        }
        if self.link.len() > fields.linkname.len() {
            add(b"linkpath", &self.link);
        }
        for (key, value, most) in [
            (&b"size"[..], self.size, MOST_LONG),
            (b"uid", self.uid.into(), MOST),
            (b"gid", self.gid.into(), MOST),
        ] {
            if value > most {
                add(key, value.to_string().as_bytes());
            }
        }
        if !u64::try_from(self.time).is_ok_and(|time| time <= MOST_LONG) {
            add(b"mtime", self.time.to_string().as_bytes());
        }
        for (name, value) in &self.extended {
            add(&[XATTR, name.as_bytes()].concat(), value);
        }
        records
    }
}

/// `LENGTH KEY=VALUE\n`, with the length of all of it, its own digits included.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + digits(rest);
    if digits(length) > digits(rest) {
        length += 1;
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Puts into a field what fits.
fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn fit(number: u64, most: u64) -> u64 {
    if number > most { 0 } else { number }
}

fn number(block: &mut tar::Header, mode: u32, owner: (u64, u64), time: u64, size: u64) {
    block.set_mode(mode);
    block.set_uid(owner.0);
    block.set_gid(owner.1);
    block.set_mtime(time);
    block.set_size(size);
    block.set_cksum();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_record_counts_its_own_digits() {
        for size in [
            0, 1, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 985, 986, 987, 990, 9985,
        ] {
            let mut records = Vec::new();
            record(&mut records, b"key", &vec![b'x'; size]);
            let text = std::str::from_utf8(&records).unwrap();
            let length: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(length, records.len(), "{size}");
        }
    }

    #[test]
    fn a_plain_header_is_one_block() {
        let mut written = Vec::new();
        let header = Header {
            path: vec![b'x'; 100],
            link: vec![b'y'; 100],
            uid: 0o7_777_777,
            time: i64::try_from(MOST_LONG).unwrap(),
            ..Header::default()
        };
        header.write(Kind::Symlink, &mut written).unwrap();
        assert_eq!(written.len(), BLOCK);
    }
}
