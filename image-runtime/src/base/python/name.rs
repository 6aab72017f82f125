//! Names of python-build-standalone's archives: `cpython-3.12.6+20241002-x86_64-unknown-linux-gnu-install_only.tar.gz`.

use crate::plan::Libc;

/// What the name of an archive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// `3.12.6`
    pub(super) version: [u32; 3],
    /// The day of the release; 0 where none is named.
    release: u32,
    /// Without symbols for debuggers.
    stripped: bool,
    /// Compressed by gzip, which is unpacked quicker than what our reader of zstd reads.
    gzip: bool,
}

impl Name {
    /// Reads a name; nothing for what is no such archive for this architecture and this C library.
    pub(super) fn parse(name: &str, architecture: &str, libc: Libc) -> Option<Self> {
        let rest = name.strip_prefix("cpython-")?;
        let (rest, gzip) = match rest.strip_suffix(".tar.gz") {
            Some(rest) => (rest, true),
            None => (rest.strip_suffix(".tar.zst")?, false),
        };
        let (rest, stripped) = match rest.strip_suffix("-install_only_stripped") {
            Some(rest) => (rest, true),
            None => (rest.strip_suffix("-install_only")?, false),
        };
        let machine = format!("-{architecture}-unknown-linux-{}", libc.name());
        let version = rest.strip_suffix(machine.as_str())?;
        let (version, release) = version.split_once('+').unwrap_or((version, "0"));
        Some(Self {
            version: self::version(version)?,
            release: release.parse().ok()?,
            stripped,
            gzip,
        })
    }
}

/// The numbers of `3.12.6`.
pub(super) fn version(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    let version = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_the_better_archive_is_the_greater() {
        let read = |name: &str| Name::parse(name, "x86_64", Libc::Gnu);
        let end = "-x86_64-unknown-linux-gnu-install_only";
        let name = |start: &str, end: &str| read(&format!("{start}{end}"));
        let old = name("cpython-3.12.6+20240909", &format!("{end}.tar.gz")).unwrap();
        assert_eq!(old.version, [3, 12, 6]);
        let new = name("cpython-3.12.6+20241002", &format!("{end}.tar.zst")).unwrap();
        let stripped = name("cpython-3.12.6+20241002", &format!("{end}_stripped.tar.gz")).unwrap();
        let undated = name("cpython-3.12.6", &format!("{end}.tar.gz")).unwrap();
        assert!(undated < old && old < new && new < stripped);
        for bad in [
            "cpython-3.12.6+20241002-aarch64-unknown-linux-gnu-install_only.tar.gz",
            "cpython-3.12.6+20241002-x86_64-unknown-linux-musl-install_only.tar.gz",
            "cpython-3.12.6+20241002-x86_64_v3-unknown-linux-gnu-install_only.tar.gz",
            "cpython-3.14.0a1+20241016-x86_64-unknown-linux-gnu-install_only.tar.gz",
            "cpython-3.12.6+20241002-x86_64-unknown-linux-gnu-install_only.tar.gz.sha256",
            "cpython-3.12.6+20241002-x86_64-unknown-linux-gnu-pgo+lto-full.tar.zst",
            "SHA256SUMS",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
