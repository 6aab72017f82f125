//! Records of a PAX header: what a plain tar header has no room for.
//!
//! The `tar` crate splits them at line ends, and a value may hold one: a set of capabilities is binary.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;

use rustix::fs::Timespec;

/// What is used of the records.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) time: Option<Timespec>,
    /// Extended attributes that a layer may have.
    pub(super) extended: Vec<(OsString, Vec<u8>)>,
    /// The content is not the file but a map of its parts.
    pub(super) is_sparse: bool,
}

/// Reads the records of a header.
pub(super) fn read(mut bytes: &[u8]) -> io::Result<Records> {
    let mut records = Records::default();
    while !bytes.is_empty() {
        let broken = || io::Error::other("a PAX header of the archive is broken");
        let (key, value, rest) = first(bytes).ok_or_else(broken)?;
        bytes = rest;
        // A record without a value takes back one of a header for all files, and those are not used.
        if value.is_empty() && !key.starts_with(XATTR) {
            continue;
        }
        match key {
            b"path" => records.path = Some(value.to_owned()),
            b"linkpath" => records.link = Some(value.to_owned()),
            b"size" => records.size = Some(number(value).ok_or_else(broken)?),
            b"uid" => records.uid = Some(number(value).ok_or_else(broken)?),
            b"gid" => records.gid = Some(number(value).ok_or_else(broken)?),
            b"mtime" => records.time = Some(time(value).ok_or_else(broken)?),
            key if key.starts_with(b"GNU.sparse.") => records.is_sparse = true,
            key => {
                if let Some(name) = key.strip_prefix(XATTR).filter(|name| is_allowed(name)) {
                    let name = OsString::from_vec(name.to_owned());
                    records.extended.retain(|(other, _)| *other != name);
                    records.extended.push((name, value.to_owned()));
                    if records.extended.len() > MOST {
                        return Err(io::Error::other(format!(
                            "a file of the archive has more than {MOST} extended attributes"
                        )));
                    }
                }
            }
        }
    }
    Ok(records)
}

/// More attributes than files have; ext4 keeps a block of them.
const MOST: usize = 1000;

pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";

/// What an archive may bring or be given: nothing that means something to overlayfs or to the security of this machine.
pub(super) fn is_allowed(name: &[u8]) -> bool {
    name == b"security.capability"
        || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

/// Key and value of the first record, `LENGTH KEY=VALUE\n` with the length of all of it, and what follows.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(&bytes[..space])?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    // `parse` takes a sign, too.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// A time such as `-1.5`, to the nanosecond.
fn time(text: &[u8]) -> Option<Timespec> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, part) = text.split_at(point.unwrap_or(text.len()));
    let mut digits = part.get(1..).unwrap_or_default().to_vec();
    digits.resize(9, b'0');
    let seconds = i64::try_from(number(whole)?).ok()?;
    let nanoseconds = i64::try_from(number(&digits)?).ok()?;
    let (tv_sec, tv_nsec) = match (is_negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    };
    Some(Timespec { tv_sec, tv_nsec })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_a_line_end_and_more_records_follow_it() {
        let text = b"40 SCHILY.xattr.security.capability=a\nb\n13 path=name\n";
        let records = read(text).unwrap();
        let expected = ("security.capability".into(), b"a\nb".to_vec());
        assert_eq!(records.extended, [expected]);
        assert_eq!(records.path.unwrap(), b"name");
    }

    #[test]
    fn only_harmless_attributes_are_taken() {
        let taken = |name: &str| is_allowed(name.as_bytes());
        assert!(taken("user.x") && taken("security.capability"));
        for name in [
            "trusted.overlay.opaque",
            "trusted.x",
            "user.overlay.opaque",
            "user.overlay.whiteout",
            "security.selinux",
            "system.posix_acl_access",
            "",
        ] {
            assert!(!taken(name), "{name}");
        }
    }

    #[test]
    fn broken_records_are_errors() {
        for text in [
            "x",
            "5 a=b",
            "99 a=b\n",
            "6 a=b\n\n",
            "4 a=b\n",
            "6 abc\n",
            "12 size=+12\n",
            "0 \n",
            "18446744073709551616 a=b\n",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_are_read_to_the_nanosecond_before_1970_too() {
        let read = |text: &str| time(text.as_bytes()).map(|time| (time.tv_sec, time.tv_nsec));
        assert_eq!(read("12"), Some((12, 0)));
        assert_eq!(read("12.5"), Some((12, 500_000_000)));
        assert_eq!(read("12.1234567891"), Some((12, 123_456_789)));
        assert_eq!(read("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(read("-3"), Some((-3, 0)));
        assert_eq!(read("9223372036854775808"), None);
        assert_eq!(read("1e3"), None);
    }
}
