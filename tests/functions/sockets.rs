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

#[app::test]
async fn those_of_the_machine_cannot_be_reached_and_own_ones_can() {
    let name = format!("image-runtime-tests-{}", std::process::id());
    let _listening = UnixListener::bind_addr(&address(&name).unwrap()).unwrap();
    let refused = connect_to::remote(name).await.unwrap();
    // By Landlock, or since the network is another.
    let expected = [ErrorKind::PermissionDenied, ErrorKind::ConnectionRefused];
    let expected = expected.map(|kind| Some(format!("{kind:?}")));
    assert!(expected.contains(&refused), "{refused:?}");
    connect_to_own::remote().await.unwrap();
}
