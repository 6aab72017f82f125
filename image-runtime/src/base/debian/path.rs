//! Paths of entries: made safe, moved below `usr` where directories are merged, and left out where the image is kept small.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The bytes of a path as a path.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// A path as archives write it (`./usr/bin/`), without what says nothing. Nothing where it could leave the root.
pub(super) fn clean(path: &[u8]) -> Option<PathBuf> {
    if path.starts_with(b"/") || path.contains(&0) {
        return None;
    }
    let mut clean = Vec::with_capacity(path.len());
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => {
                if !clean.is_empty() {
                    clean.push(b'/');
                }
                clean.extend_from_slice(part);
            }
        }
    }
    Some(path_of(&clean))
}

/// The directories that are links to directories of the same name below `usr`.
pub(super) fn merged(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" => &["bin", "lib", "lib64", "sbin"],
        _ => &["bin", "lib", "sbin"],
    }
}

/// Where a path lies in truth, given the merged directories.
pub(super) fn follow_merged(path: PathBuf, merged: &[&str]) -> PathBuf {
    let first = path.components().next();
    if merged
        .iter()
        .any(|name| first.is_some_and(|first| first.as_os_str() == *name))
    {
        Path::new("usr").join(path)
    } else {
        path
    }
}

/// What is left out, in dpkg's patterns. [`is_excluded`] does the same.
pub(super) const DPKG_EXCLUDES: &str = "\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
";

/// Whether a path is left out: documentation and translations. Licences stay.
pub(super) fn is_excluded(path: &Path) -> bool {
    let Some(rest) = path.as_os_str().as_bytes().strip_prefix(b"usr/share/") else {
        return false;
    };
    let Some(slash) = rest.iter().position(|byte| *byte == b'/') else {
        return false;
    };
    match (&rest[..slash], &rest[slash + 1..]) {
        (b"doc", file) => !file.ends_with(b"/copyright"),
        (b"locale", file) => file != b"locale.alias",
        (b"groff" | b"info" | b"linda" | b"lintian" | b"man", _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_freed_of_what_says_nothing() {
        for (written, meant) in [
            ("./", ""),
            ("./usr/bin/", "usr/bin"),
            ("usr//./bin", "usr/bin"),
            ("a..b", "a..b"),
        ] {
            assert_eq!(clean(written.as_bytes()), Some(PathBuf::from(meant)));
        }
    }

    #[test]
    fn paths_out_of_the_root_are_refused() {
        for path in ["/etc/passwd", "../x", "./usr/../../x", "usr/..", "a\0b"] {
            assert_eq!(clean(path.as_bytes()), None, "{path:?}");
        }
    }

    #[test]
    fn merged_directories_are_followed_and_others_are_not() {
        let merged = merged("amd64");
        for (written, meant) in [
            ("bin/sh", "usr/bin/sh"),
            ("lib", "usr/lib"),
            ("usr/bin/sh", "usr/bin/sh"),
            ("libx/a", "libx/a"),
        ] {
            assert_eq!(
                follow_merged(PathBuf::from(written), merged),
                PathBuf::from(meant)
            );
        }
    }

    #[test]
    fn licences_stay_and_other_documentation_goes() {
        for kept in [
            "usr/share/doc",
            "usr/share/man",
            "usr/share/doc/apt/copyright",
            "usr/share/perl/doc/x",
            "usr/share/locale/locale.alias",
        ] {
            assert!(!is_excluded(Path::new(kept)), "{kept}");
        }
        for gone in [
            "usr/share/doc/apt",
            "usr/share/doc/apt/NEWS.gz",
            "usr/share/man/man1/ls.1.gz",
            "usr/share/locale/de/LC_MESSAGES/apt.mo",
        ] {
            assert!(is_excluded(Path::new(gone)), "{gone}");
        }
    }
}
