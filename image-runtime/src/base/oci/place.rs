//! Where a repository of a registry is: plain HTTP on this machine itself, HTTPS elsewhere.

use super::failure::Failure;
use super::reference::{DOCKER_HUB, Reference};

/// Where Docker Hub's registry is.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The registry's name in references and credentials: `docker.io`.
    pub(super) registry: String,
    /// Where it listens: `registry-1.docker.io`, `127.0.0.1:5000`.
    pub(super) host: String,
    /// `library/debian`
    pub(super) path: String,
    /// `https://registry-1.docker.io/v2/library/debian`
    pub(super) url: String,
    /// Whether it is on this machine itself.
    pub(super) loopback: bool,
}

impl Place {
    /// The place of a reference. Its parts are checked: they go into addresses, and one of them may come from the environment.
    pub(super) fn of(reference: &Reference) -> Result<Self, Failure> {
        let Reference { registry, path, .. } = reference;
        let good = is_host(registry) && path.split('/').all(is_component) && is_tag(&reference.tag);
        if !good {
            // What is malformed is not repeated: a mirror may have been given with a password.
            return Err(Failure::missing(
                "its name, or that of the mirror in `IMAGE_REGISTRY_MIRROR`, is not of the form `host[:port]/path:tag`",
            ));
        }
        let host = match registry.as_str() {
            DOCKER_HUB => DOCKER_HUB_HOST,
            other => other,
        };
        let loopback = is_loopback(host);
        let scheme = if loopback { "http" } else { "https" };
        Ok(Self {
            registry: registry.clone(),
            host: host.to_owned(),
            path: path.clone(),
            url: format!("{scheme}://{host}/v2/{path}"),
            loopback,
        })
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|letter| {
            letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':' | '[' | ']')
        })
}

fn is_component(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        && text.chars().all(|letter| {
            letter.is_ascii_lowercase()
                || letter.is_ascii_digit()
                || matches!(letter, '.' | '-' | '_')
        })
}

fn is_tag(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'))
}

/// Whether a host, with or without a port, is this machine's loopback, which needs no encryption.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<Place, Failure> {
        Place::of(&Reference::parse(text))
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_encryption() {
        for (reference, url) in [
            ("debian", "https://registry-1.docker.io/v2/library/debian"),
            ("ghcr.io/a/b:1", "https://ghcr.io/v2/a/b"),
            ("box:5000/a", "https://box:5000/v2/a"),
            ("localhost/a", "http://localhost/v2/a"),
            ("localhost:5000/a", "http://localhost:5000/v2/a"),
            ("127.0.0.9:5000/a", "http://127.0.0.9:5000/v2/a"),
            ("[::1]:5000/a", "http://[::1]:5000/v2/a"),
            ("localhost.evil.org/a", "https://localhost.evil.org/v2/a"),
            ("127.0.0.1.evil.org/a", "https://127.0.0.1.evil.org/v2/a"),
            ("[2001:db8::1]:5000/a", "https://[2001:db8::1]:5000/v2/a"),
        ] {
            assert_eq!(place(reference).unwrap().url, url);
        }
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused_and_not_repeated() {
        for reference in [
            "me:hidden@box.org/a",
            "box.org/../a",
            "box.org/a?b/c",
            "box.org/A",
            "box.org/a//b",
            "box.org/a:../b",
            "box.org/a:#",
        ] {
            // `Reference::parse` takes what stands behind an `@` for a digest; a mirror is not parsed by it.
            let mut parsed = Reference::parse("box.org/a:1");
            match reference.split_once("/") {
                Some((registry, path)) => {
                    (parsed.registry, parsed.path) = (registry.to_owned(), path.to_owned());
                }
                None => unreachable!("all have a path"),
            }
            let error = Place::of(&parsed).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
