//! Finds out whether this engine can work here, by starting a container of nothing: it must come as far as its program,
//! which is none.

use std::fs;
use std::io;

use super::layers::{Layers, Scratch};
use super::sandbox::{BIRTH, STACKING, Sandbox, SandboxError};
use super::user::Identity;
use crate::engine::EngineError;

/// Beside the layers: for which start of the machine and which user the answer is known.
const ANSWER: &str = "works";

/// Whether containers can leave out syncing what they write.
///
/// # Errors
/// [`EngineError::Unsupported`]: nothing can be started here, why, and what to do.
pub(super) async fn probe(layers: &Layers) -> Result<bool, EngineError> {
    let known = layers.path().join(ANSWER);
    let here = here();
    for (volatile, answer) in [(true, format!("{here} volatile")), (false, here.clone())] {
        if fs::read_to_string(&known).is_ok_and(|text| text == answer) {
            return Ok(volatile);
        }
    }
    let volatile = match attempt(layers, true).await {
        Ok(()) => true,
        // Before Linux 5.10 the kernel knows no such option.
        Err(Fault { doing, .. }) if doing == STACKING => {
            attempt(layers, false).await.map_err(Fault::unsupported)?;
            false
        }
        Err(fault) => return Err(fault.unsupported()),
    };
    // Asked again the next time where it cannot be kept.
    let _ = fs::write(
        known,
        format!("{here}{}", if volatile { " volatile" } else { "" }),
    );
    Ok(volatile)
}

fn here() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    let namespace = fs::read_link("/proc/self/ns/user").unwrap_or_default();
    format!("{} {user} {}", boot.trim(), namespace.display())
}

struct Fault {
    doing: &'static str,
    error: io::Error,
}

async fn attempt(layers: &Layers, volatile: bool) -> Result<(), Fault> {
    let preparing = |error| Fault {
        doing: "preparing a container in the store",
        error,
    };
    let scratch = layers.lease(&[], &[]).map_err(preparing)?;
    let sandbox = of_nothing(layers, &scratch, volatile).map_err(preparing)?;
    let (_, out) = io::pipe().map_err(preparing)?;
    let err = out.try_clone().map_err(preparing)?;
    match sandbox.start(Vec::new(), [out.into(), err.into()]).await {
        // It came as far as it can.
        Err(SandboxError::Program { .. }) => Ok(()),
        Err(SandboxError::Step { doing, error }) => Err(Fault { doing, error }),
        Err(error @ SandboxError::Nul { .. }) => Err(preparing(io::Error::other(error))),
        Ok(_) => Err(preparing(io::Error::other("nothing was executed"))),
    }
}

fn of_nothing(layers: &Layers, scratch: &Scratch, volatile: bool) -> io::Result<Sandbox> {
    scratch.prepare(&layers.path().join("skeleton"))?;
    Ok(Sandbox {
        root: layers.overlay(&[], scratch, volatile)?,
        // A directory cannot be executed.
        argv: vec!["/".to_owned()],
        env: Vec::new(),
        workdir: "/".to_owned(),
        identity: Identity::default(),
        host_name: "probe".to_owned(),
        binds: Vec::new(),
        network: false,
    })
}

impl Fault {
    fn unsupported(self) -> EngineError {
        let Self { doing, error } = self;
        let is_root = rustix::process::geteuid().is_root();
        let help = match (doing, error.raw_os_error()) {
            (BIRTH, Some(libc::EPERM)) if !is_root => {
                "run as root, or start a Docker or Podman daemon and set `IMAGE_ENGINE=docker`"
            }
            (BIRTH, Some(libc::EPERM)) => {
                "this root may make no namespaces: inside a container, start that with `--privileged`; or use `IMAGE_ENGINE=docker`"
            }
            (STACKING, Some(libc::ENODEV)) => {
                "this kernel has no overlayfs: `modprobe overlay`, or use `IMAGE_ENGINE=docker`"
            }
            (STACKING, _) => {
                "set `IMAGE_STORE` to a directory on ext4, xfs, btrfs or tmpfs; network file systems and overlays carry no layers"
            }
            _ => "use `IMAGE_ENGINE=docker`",
        };
        EngineError::Unsupported {
            product: "the embedded engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reason: format!("{doing}: {error}"),
            help: help.to_owned(),
        }
    }
}
