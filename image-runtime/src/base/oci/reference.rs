//! References to images of registries: `debian:bookworm`, `ghcr.io/a/b@sha256:…`.

/// The registry of names that name none.
pub(crate) const DOCKER_HUB: &str = "docker.io";

/// Where to pull names of Docker Hub from first: `host[:port][/prefix]`.
const MIRROR_VARIABLE: &str = "IMAGE_REGISTRY_MIRROR";

/// The mirror that the environment names.
pub(crate) fn mirror() -> Option<String> {
    std::env::var(MIRROR_VARIABLE)
        .ok()
        .filter(|mirror| !mirror.is_empty())
}

/// A reference, with everything spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `docker.io`, `localhost:5000`.
    pub(crate) registry: String,
    /// `library/debian`.
    pub(crate) path: String,
    /// `bookworm`.
    pub(crate) tag: String,
    /// `sha256:…`, where the reference names one.
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// Reads a reference as `docker pull` does.
    pub(crate) fn parse(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (name, "latest"),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest.to_owned())
            }
            Some(_) => (DOCKER_HUB, name.to_owned()),
            None => (DOCKER_HUB, format!("library/{name}")),
        };
        let path = match (registry, path.contains('/')) {
            (DOCKER_HUB, false) => format!("library/{path}"),
            _ => path,
        };
        Self {
            registry: registry.to_owned(),
            path,
            tag: tag.to_owned(),
            digest,
        }
    }

    /// The name without tag or digest.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The name with its tag.
    pub(crate) fn tagged(&self) -> String {
        format!("{}:{}", self.name(), self.tag)
    }

    /// The name with a digest.
    pub(crate) fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.name())
    }

    /// The references to try, in order: Docker Hub's names at the mirror (`host[:port][/prefix]`) first.
    pub(crate) fn sources(self, mirror: Option<&str>) -> Vec<Self> {
        let mirrored = mirror
            .filter(|_| self.registry == DOCKER_HUB)
            .map(|mirror| {
                let (registry, prefix) = mirror
                    .trim_end_matches('/')
                    .split_once('/')
                    .unwrap_or((mirror, ""));
                let registry = registry.trim_end_matches('/').to_owned();
                let slash = if prefix.is_empty() { "" } else { "/" };
                Self {
                    registry,
                    path: format!("{prefix}{slash}{}", self.path),
                    ..self.clone()
                }
            });
        mirrored.into_iter().chain([self]).collect()
    }
}

/// Whether an image can be given this name: `[registry/]path[:tag]`, by the grammar of <https://github.com/distribution/reference>. The
/// macros check what `from_registry` names by the same.
pub(crate) fn is_name(text: &str) -> bool {
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    };
    let path = match name.split_once('/') {
        Some((registry, path)) if is_registry(registry) => match is_host(registry) {
            true => path,
            false => return false,
        },
        _ => name,
    };
    name.len() <= 255 && path.split('/').all(is_part) && tag.is_none_or(is_tag)
}

/// Whether the first part of a name names a registry.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        let good = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        good && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_address = || {
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    (host.split('.').all(label) || is_address()) && port.is_none_or(is_port)
}

/// `[a-z0-9]+((?:[._]|__|[-]+)[a-z0-9]+)*`
fn is_part(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joins =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-');
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.split(alphanumeric).all(joins)
}

/// `[\w][\w.-]{0,127}`
fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = |c: char| word(c) || c == '.' || c == '-';
    text.starts_with(word) && text.len() <= 128 && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_an_image_can_be_given_are_told_from_others() {
        for good in [
            "app",
            "team/app:1",
            "box.example/team/app:V1.2-x",
            "localhost/a__b/c-d",
            "127.0.0.1:5000/a:b",
            "[::1]:5000/a",
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "BAD:x:y",
            "App",
            "app:",
            "app:-1",
            "a//b",
            "a/",
            "a b",
            "-a",
            "https://box.example/a",
            "box.example:port/a",
            "app@sha256:0f",
            ":1",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn references_are_spelled_out_as_docker_does() {
        let spelled = |text| Reference::parse(text).tagged();
        assert_eq!(spelled("debian"), "docker.io/library/debian:latest");
        assert_eq!(
            spelled("debian:bookworm-slim"),
            "docker.io/library/debian:bookworm-slim"
        );
        assert_eq!(spelled("docker.io/debian:1"), "docker.io/library/debian:1");
        assert_eq!(spelled("nvidia/cuda:12"), "docker.io/nvidia/cuda:12");
        assert_eq!(spelled("localhost/a"), "localhost/a:latest");
        assert_eq!(spelled("box:5000/a/b:c"), "box:5000/a/b:c");
        let pinned = Reference::parse("ghcr.io/a/b:c@sha256:0f");
        assert_eq!(pinned.digest.as_deref(), Some("sha256:0f"));
        assert_eq!(pinned.at("sha256:0f"), "ghcr.io/a/b@sha256:0f");
    }

    #[test]
    fn a_mirror_is_tried_first_for_names_of_docker_hub_only() {
        let tried = |text, mirror| -> Vec<String> {
            Reference::parse(text)
                .sources(mirror)
                .iter()
                .map(Reference::tagged)
                .collect()
        };
        assert_eq!(tried("debian:1", None), ["docker.io/library/debian:1"]);
        assert_eq!(
            tried("debian:1", Some("m:5000")),
            ["m:5000/library/debian:1", "docker.io/library/debian:1"]
        );
        assert_eq!(
            tried("debian:1", Some("m.de/hub/"))[0],
            "m.de/hub/library/debian:1"
        );
        assert_eq!(tried("ghcr.io/a/b:1", Some("m")), ["ghcr.io/a/b:1"]);
    }
}
