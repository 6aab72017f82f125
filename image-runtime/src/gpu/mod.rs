//! The NVIDIA GPUs of this machine: which there are, which of them a request means, and who has them.

mod choice;
mod claim;
#[cfg(target_os = "linux")]
mod nvml;
mod wish;

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::spec;

#[cfg(test)]
pub(crate) use choice::tests;
pub(crate) use choice::{check, most_containers};
pub(crate) use claim::Claim;
use claim::Claims;
pub(crate) use wish::{Held, Wish};

/// The GPUs of this machine, and who has them.
#[derive(Debug)]
pub(crate) struct Gpus {
    inventory: OnceCell<Inventory>,
    pub(crate) claims: Claims,
}

impl Gpus {
    /// Those whose locks are in this folder.
    pub(crate) fn new(locks: PathBuf) -> Self {
        Self {
            inventory: OnceCell::new(),
            claims: Claims::new(locks),
        }
    }

    /// What a container needs that asks for these, once it is read what there is.
    pub(crate) fn wish(&self, wanted: &[spec::Gpu]) -> Option<Wish> {
        Wish::new(wanted, self.inventory.get()?)
    }

    /// What there is; read once.
    pub(crate) async fn inventory(&self) -> &Inventory {
        let read = || async {
            let read = tokio::task::spawn_blocking(Inventory::read).await;
            read.expect("reading what a driver says does not panic")
        };
        self.inventory.get_or_init(read).await
    }
}

/// A GPU of this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gpu {
    /// Its number among all of them, from 0.
    pub index: u32,
    /// The number in the name of its device file: `/dev/nvidia0`.
    pub minor: u32,
    /// What tells it from all others anywhere: `GPU-4a6f…`.
    pub uuid: String,
    /// What it is: `NVIDIA A100-SXM4-80GB`.
    pub name: String,
    /// Its memory, in bytes.
    pub memory: u64,
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gib = self.memory as f64 / f64::from(1 << 30);
        write!(f, "{} ({gib:.0} GiB)", self.name)
    }
}

/// All GPUs of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Inventory {
    /// By their numbers.
    pub gpus: Vec<Gpu>,
    /// Why there are none, where that is known.
    pub reason: Option<String>,
}

impl Inventory {
    /// Asks the driver of this machine. Blocks, up to seconds where nothing else uses the driver.
    pub fn read() -> Self {
        #[cfg(target_os = "linux")]
        let read = nvml::read();
        #[cfg(not(target_os = "linux"))]
        let read = Err("GPUs are looked for on Linux only".to_owned());
        match read {
            Ok(gpus) => Self { gpus, reason: None },
            Err(reason) => Self {
                gpus: Vec::new(),
                reason: Some(reason),
            },
        }
    }
}
