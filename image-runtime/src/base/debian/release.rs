//! What an `InRelease` file says: of what it is, how long it holds, and the digests of the indexes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deb822_fast::Paragraph;

use crate::digest::Digest;

/// A release file whose signature was verified.
#[derive(Debug)]
pub(super) struct Release {
    fields: Paragraph,
}

/// A file that a release names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) sha256: Digest,
    pub(super) size: u64,
}

impl Release {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields = text
            .parse()
            .map_err(|error| format!("it is no control file ({error})"))?;
        Ok(Self { fields })
    }

    pub(super) fn codename(&self) -> &str {
        self.fields.get("Codename").unwrap_or_default()
    }

    /// When it was made, in seconds since 1970.
    pub(super) fn date(&self) -> Result<u64, String> {
        let date = time(self.fields.get("Date").ok_or("it has no `Date`")?)?;
        Ok(date
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs())
    }

    /// Until when it may be used, where it says so.
    pub(super) fn valid_until(&self) -> Result<Option<SystemTime>, String> {
        self.fields.get("Valid-Until").map(time).transpose()
    }

    pub(super) fn has_by_hash(&self) -> bool {
        self.fields.get("Acquire-By-Hash") == Some("yes")
    }

    /// Looks a file up by its path below the release file.
    pub(super) fn file(&self, path: &str) -> Result<Listed, String> {
        let list = self.fields.get("SHA256").ok_or("it has no `SHA256`")?;
        list.lines()
            .filter_map(listed)
            .find_map(|(listed, name)| (name == path).then_some(listed))
            .ok_or_else(|| format!("it does not list `{path}`"))
    }
}

/// ` <sha256> <size> <path>`
fn listed(line: &str) -> Option<(Listed, &str)> {
    let mut words = line.split_whitespace();
    let (sha256, size, path) = (words.next()?, words.next()?, words.next()?);
    let listed = Listed {
        sha256: sha256.parse().ok()?,
        size: size.parse().ok()?,
    };
    Some((listed, path))
}

/// `Sat, 11 Jul 2026 10:16:37 UTC`
fn time(text: &str) -> Result<SystemTime, String> {
    httpdate::parse_http_date(&text.replace("UTC", "GMT"))
        .map_err(|_| format!("`{text}` is no date"))
}
