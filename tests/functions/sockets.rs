//! Sockets with abstract names, which belong to a network.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use image_runtime::app;

use crate::NOTHING;

fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

#[app::function(image = NOTHING)]
fn connect_to(name: String) -> anyhow::Result<Option<String>> {
    let connected = UnixStream::connect_addr(&address(&name)?);
    Ok(connected.err().map(|error| format!("{:?}", error.kind())))
}

#[app::function(image = NOTHING)]
fn connect_to_own() -> anyhow::Result<()> {
    let own = address(&format!("image-runtime-own-{}", std::process::id()))?;
    let _listening = UnixListener::bind_addr(&own)?;
    UnixStream::connect_addr(&own)?;
    Ok(())
}

fn is_before_scopes() -> bool {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map(|number| number.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) < (Some(6), Some(12))
}

#[app::test]
async fn those_of_the_machine_cannot_be_reached_and_own_ones_can() {
    let name = format!("image-runtime-tests-{}", std::process::id());
    let _listening = UnixListener::bind_addr(&address(&name).unwrap()).unwrap();
    let refused = connect_to::remote(name).await.unwrap();
    // By Landlock, or since the network is another. Before Linux 6.12 there is no such wall.
    let expected = [ErrorKind::PermissionDenied, ErrorKind::ConnectionRefused];
    let expected = expected.map(|kind| Some(format!("{kind:?}")));
    let is_open = refused.is_none() && is_before_scopes();
    assert!(expected.contains(&refused) || is_open, "{refused:?}");
    connect_to_own::remote().await.unwrap();
}
