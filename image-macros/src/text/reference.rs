//! Image references: `[domain/]path[:tag][@digest]`, the grammar of <https://github.com/distribution/reference>.

use crate::diag::Fault;

/// Checks an image reference.
pub(crate) fn image(text: &str) -> Result<(), Fault> {
    let wrong =
        |reason: String| Fault::new(format!("{text:?} is not an image reference: {reason}"));
    if text.is_empty() {
        return Err(Fault::new("an image reference must not be empty"));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let help = image(rest).is_ok().then(|| format!("write `{rest}`"));
        return Err(wrong("it has no scheme".to_owned()).maybe_help(help));
    }
    if text.contains(char::is_whitespace) {
        // What is advised must be right itself.
        let meant = without_space(text).filter(|meant| image(meant).is_ok());
        let help = match meant {
            Some(meant) => format!("write `{meant}`"),
            None => "a reference has no spaces, such as `alpine:3.20`".to_owned(),
        };
        return Err(wrong("it holds a space".to_owned()).help(help));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        check_digest(digest).map_err(&wrong)?;
    }
    // A colon before the last slash belongs to the domain's port.
    let path_start = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[path_start..].find(':') {
        Some(colon) => (
            &rest[..path_start + colon],
            Some(&rest[path_start + colon + 1..]),
        ),
        None => (rest, None),
    };
    if let Some(tag) = tag
        && !is_tag(tag)
    {
        return Err(wrong(format!(
            "the tag {tag:?} must be 1 to 128 letters, digits, `_`, `.` and `-`, starting with none of the last two"
        )));
    }
    let after = &text[name.len()..];
    check_name(name, after, &wrong)
}

/// What was probably meant by a reference with spaces: they stand where none counts, or before a version.
fn without_space(text: &str) -> Option<String> {
    let mut words: Vec<_> = text.split_whitespace().collect();
    let version = match words[..] {
        [_, last] if !text.contains(':') && last.contains(|c: char| c.is_ascii_digit()) => {
            words.pop()
        }
        _ => None,
    };
    let mut meant = String::new();
    for word in words {
        let is_sign = |c: char| matches!(c, ':' | '/' | '@');
        if !(meant.is_empty() || meant.ends_with(is_sign) || word.starts_with(is_sign)) {
            return None;
        }
        meant.push_str(word);
    }
    meant.extend(version.map(|version| format!(":{version}")));
    Some(meant)
}

/// Checks a name, with the tag and the digest that follow it.
fn check_name(name: &str, after: &str, wrong: &impl Fn(String) -> Fault) -> Result<(), Fault> {
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if is_domain_like(first) => (Some(first), path),
        _ => (None, name),
    };
    if let Some(domain) = domain
        && !is_domain(domain)
    {
        return Err(wrong(format!("`{domain}` is not a registry")));
    }
    if path.contains(|c: char| c.is_ascii_uppercase()) {
        // A registry is the same in any case, and what looks like one may be part of the name.
        let lower = format!("{}{after}", name.to_ascii_lowercase());
        let help = image(&lower).is_ok().then(|| format!("write `{lower}`"));
        return Err(wrong("names of images are lower case".to_owned()).maybe_help(help));
    }
    if let Some(part) = path.split('/').find(|part| !is_component(part)) {
        return Err(wrong(format!(
            "{part:?} must be lower-case letters and digits, joined by `.`, `_`, `__` or `-`"
        )));
    }
    if name.len() > 255 {
        return Err(wrong("its name has more than 255 characters".to_owned()));
    }
    Ok(())
}

/// The rule by which Docker tells a domain from the first part of a path.
fn is_domain_like(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.contains(|c: char| c.is_ascii_uppercase())
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host_fits = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(label),
    };
    let digits = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    host_fits && port.is_none_or(digits)
}

/// `[a-z0-9]+((?:[._]|__|[-]+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |s: &str| matches!(s, "." | "_" | "__") || s.chars().all(|c| c == '-');
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text
            .split(alphanumeric)
            .filter(|part| !part.is_empty())
            .all(separator)
}

/// `[\w][\w.-]{0,127}`
fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn check_digest(text: &str) -> Result<(), String> {
    let (algorithm, hex) = text
        .split_once(':')
        .ok_or_else(|| format!("the digest {text:?} must be `algorithm:hex`"))?;
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic())
            && p.chars().all(|c| c.is_ascii_alphanumeric())
    };
    if !algorithm.split(['-', '_', '+', '.']).all(part) {
        return Err(format!("{algorithm:?} is not a digest algorithm"));
    }
    let digits = hex.chars().all(|c| c.is_ascii_hexdigit());
    match algorithm {
        "sha256" if digits && hex.len() == 64 => Ok(()),
        "sha512" if digits && hex.len() == 128 => Ok(()),
        "sha256" => Err("a sha256 digest has 64 hexadecimal digits".to_owned()),
        "sha512" => Err("a sha512 digest has 128 hexadecimal digits".to_owned()),
        _ if digits && hex.len() >= 32 => Ok(()),
        _ => Err("a digest has at least 32 hexadecimal digits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn references_have_domain_path_tag_and_digest() {
        for good in [
            "alpine",
            "alpine:3.20",
            "nvidia/cuda:12.0.0-base-ubuntu22.04",
            "ghcr.io/astral-sh/uv:0.8",
            "localhost/x",
            "localhost:5000/a/b:tag",
            "127.0.0.1:5000/x",
            "[::1]:5000/x",
            "REGISTRY/x",
            "a__b/c.d/e-f---g_h",
            "x:_Tag.1-2",
        ] {
            assert_eq!(image(good), Ok(()), "{good}");
            assert_eq!(image(&format!("{good}@{SHA}")), Ok(()), "{good}@sha256");
        }
    }

    #[test]
    fn anything_else_is_no_reference() {
        for bad in [
            "",
            "Alpine",
            "a/B",
            "alpine:",
            "alpine:-x",
            ":tag",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a b",
            "https://alpine",
            "alpine@sha256:123",
            "alpine@md5:xyz",
            "alpine@",
            "a:b:c",
            "host.:5000/x",
            "host:port/x",
            "[::z]/x",
        ] {
            assert!(image(bad).is_err(), "{bad:?}");
        }
        for (bad, meant) in [
            ("ghcr.io/Foo/Bar:V1", "ghcr.io/foo/bar:V1"),
            ("Nvidia/CUDA:12", "nvidia/cuda:12"),
            ("alpine 3.20", "alpine:3.20"),
            (" alpine: 3.20 ", "alpine:3.20"),
        ] {
            let text = image(bad).unwrap_err().text();
            assert!(text.ends_with(&format!("help: write `{meant}`")), "{text}");
        }
        for bad in ["a b", "my image", "alpine 3.20 slim", "alpine Latest!1"] {
            let text = image(bad).unwrap_err().text();
            assert!(text.contains("help: a reference has no spaces"), "{text}");
        }
        let text = image("https://A b").unwrap_err().text();
        assert!(!text.contains("help"), "{text}");
        assert!(image(&format!("x:{}", "t".repeat(129))).is_err());
        assert!(image(&"x".repeat(256)).is_err());
    }
}
