//! Where the archive is: environment variables, and Debian's public addresses.

/// Names the mirror of the archive.
pub(super) const MAIN_VARIABLE: &str = "IMAGE_DEBIAN_MIRROR";
/// Names the mirror of the security archive.
pub(super) const SECURITY_VARIABLE: &str = "IMAGE_DEBIAN_SECURITY_MIRROR";

const PUBLIC_MAIN: &str = "http://deb.debian.org/debian";
const PUBLIC_SECURITY: &str = "http://deb.debian.org/debian-security";

/// The two archives of Debian. Every file of them is verified, so plain HTTP will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// `http://…`, `https://…`, `file:///…` or an absolute path; without a `/` at the end.
    pub main: String,
    /// The same for security updates.
    pub security: String,
}

impl Mirrors {
    /// What `IMAGE_DEBIAN_MIRROR` and `IMAGE_DEBIAN_SECURITY_MIRROR` name, else Debian's public mirrors.
    pub fn from_env() -> Self {
        let named = |variable, public: &str| match std::env::var(variable) {
            Ok(mirror) if !mirror.is_empty() => mirror.trim_end_matches('/').to_owned(),
            _ => public.to_owned(),
        };
        Self {
            main: named(MAIN_VARIABLE, PUBLIC_MAIN),
            security: named(SECURITY_VARIABLE, PUBLIC_SECURITY),
        }
    }

    /// The mirrors as a container can reach them: a directory of this machine is not there.
    pub(super) fn inside(&self) -> Self {
        let reachable = |mirror: &str, public: &str| {
            if mirror.starts_with("http") {
                mirror
            } else {
                public
            }
            .to_owned()
        };
        Self {
            main: reachable(&self.main, PUBLIC_MAIN),
            security: reachable(&self.security, PUBLIC_SECURITY),
        }
    }
}
