//! The files by which a container finds its way in the network.

use std::fs;
use std::io;

use super::layers::Scratch;
use super::sandbox::Bind;

/// Makes a container's `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`. An image without a place for one does without.
pub(super) fn files(scratch: &Scratch, host_name: &str) -> io::Result<Vec<Bind>> {
    let hosts = format!(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{host_name}\n"
    );
    // A machine without one resolves nothing, and so does the container.
    let resolvers = fs::read("/etc/resolv.conf").unwrap_or_default();
    let texts = [
        ("hostname", format!("{host_name}\n").into_bytes()),
        ("hosts", hosts.into_bytes()),
        ("resolv.conf", resolvers),
    ];
    let bind = |(name, text): (&str, Vec<u8>)| {
        let source = scratch.path().join(name);
        fs::write(&source, text)?;
        Ok(Bind {
            source,
            target: format!("/etc/{name}"),
            read_only: false,
            optional: true,
        })
    };
    texts.into_iter().map(bind).collect()
}
