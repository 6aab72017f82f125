//! The files by which a container finds its way in the network.

use std::fs;

use super::sandbox::Text;

/// A container's `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`. An image without a place for one does without.
pub(super) fn files(host_name: &str) -> Vec<Text> {
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{host_name}\n"
    );
    // A machine without one resolves nothing, and so does the container.
    let resolvers = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let texts = [
        ("hostname", format!("{host_name}\n")),
        ("hosts", hosts),
        ("resolv.conf", resolvers),
    ];
    let text = |(name, text)| Text {
        name,
        target: format!("/etc/{name}"),
        text,
    };
    texts.into_iter().map(text).collect()
}
