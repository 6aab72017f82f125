//! The suites that can be installed, and the keys of the Debian archive that each of them trusts.

/// An OpenPGP certificate, binary.
pub(super) type Key = &'static [u8];

/// A suite of Debian.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    /// Its code name.
    pub(super) name: &'static str,
    /// Who signs the suite and its updates.
    pub(super) main: [Key; 2],
    /// Who signs its security updates.
    pub(super) security: [Key; 1],
}

macro_rules! suite {
    ($name:literal) => {
        Suite {
            name: $name,
            main: [
                include_bytes!(concat!(
                    "../../../keys/debian-archive-",
                    $name,
                    "-automatic.gpg"
                )),
                include_bytes!(concat!(
                    "../../../keys/debian-archive-",
                    $name,
                    "-stable.gpg"
                )),
            ],
            security: [include_bytes!(concat!(
                "../../../keys/debian-archive-",
                $name,
                "-security-automatic.gpg"
            ))],
        }
    };
}

/// All suites.
pub(super) const SUITES: [Suite; 3] = [suite!("bullseye"), suite!("bookworm"), suite!("trixie")];
