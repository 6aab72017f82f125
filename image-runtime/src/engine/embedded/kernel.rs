//! Which Linux this is, for what cannot be found by trying.

use std::sync::OnceLock;

/// Whether this kernel is of that version, `(6, 8)`, or a later one.
pub(super) fn is_at_least(wanted: (u32, u32)) -> bool {
    static HERE: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let here = HERE.get_or_init(|| version(&rustix::system::uname().release().to_string_lossy()));
    here.is_some_and(|here| here >= wanted)
}

/// `6.14.0-1-amd64` begins with two numbers.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-', '+']);
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernels_version_is_read_from_any_release() {
        assert_eq!(version("6.14.0-1-amd64"), Some((6, 14)));
        assert_eq!(version("5.10-rc1+"), Some((5, 10)));
        assert_eq!(version("7.1"), Some((7, 1)));
        assert_eq!(version("odd"), None);
    }
}
