//! What a container sees of the NVIDIA driver: what a CDI specification says, else what is found on this machine.
//!
//! Libraries lie in a folder of our own, under all names that programs ask for, and `LD_LIBRARY_PATH` names it: so nothing need be run in
//! the image to make its loader find them.

mod cdi;
mod found;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::sandbox::Bind;
use crate::engine::DRIVER_LIBRARIES;
use crate::gpu::Gpu;

/// Folders of CDI specifications, in place of those that the CDI standard names.
const CDI_VARIABLE: &str = "IMAGE_CDI_DIRS";

/// Where specifications are. What is generated while a machine runs goes before what was written by hand.
const CDI_DIRS: &str = "/var/run/cdi:/etc/cdi";

/// What is shown of a driver.
#[derive(Debug, Default)]
pub(super) struct Driver {
    pub(super) binds: Vec<Bind>,
    env: Vec<(String, String)>,
}

/// What is shown of this machine's driver for these GPUs.
pub(super) fn driver(gpus: &[Gpu]) -> io::Result<Driver> {
    let dirs = std::env::var(CDI_VARIABLE).unwrap_or_default();
    let dirs = match dirs.as_str() {
        "" => CDI_DIRS,
        given => given,
    };
    let dirs: Vec<_> = dirs.split(':').map(Path::new).collect();
    driver_in(&dirs, Path::new("/"), gpus)
}

fn driver_in(cdi: &[&Path], root: &Path, gpus: &[Gpu]) -> io::Result<Driver> {
    match cdi::driver(cdi, gpus)? {
        Some(driver) => Ok(driver),
        None => found::driver(root, gpus),
    }
}

impl Driver {
    /// Shows a device file.
    fn device(&mut self, source: PathBuf, target: &str) {
        self.binds.push(Bind {
            source,
            target: target.to_owned(),
            read_only: false,
        });
    }

    /// Shows a file or a folder, to be read.
    fn file(&mut self, source: PathBuf, target: String) {
        let is_there = self.binds.iter().any(|bind| bind.target == target);
        if !is_there {
            self.binds.push(Bind {
                source,
                target,
                read_only: true,
            });
        }
    }

    /// Shows a library under its own name, and under those of the links that lead to it: `libcuda.so.1`.
    fn library(&mut self, path: &Path) -> io::Result<()> {
        let real = path.canonicalize()?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let stem = |name: &str| name.split(".so").next().map(str::to_owned);
        let wanted = path.file_name().unwrap_or_default().to_string_lossy();
        for entry in fs::read_dir(folder)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_it = stem(&name) == stem(&wanted)
                && entry.path().canonicalize().is_ok_and(|path| path == real);
            if is_it {
                self.file(real.clone(), format!("{DRIVER_LIBRARIES}/{name}"));
            }
        }
        Ok(())
    }

    /// Adds what programs that compute on GPUs look for in their environment.
    pub(super) fn add_env(&self, env: &mut Vec<(String, String)>, gpus: &[Gpu]) {
        let ids: Vec<_> = gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
        let standard = [
            ("NVIDIA_VISIBLE_DEVICES", ids.join(",")),
            ("NVIDIA_DRIVER_CAPABILITIES", "compute,utility".to_owned()),
        ];
        let standard = standard.map(|(name, value)| (name.to_owned(), value));
        for (name, value) in self.env.iter().chain(&standard) {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        let has_libraries = self
            .binds
            .iter()
            .any(|bind| bind.target.starts_with(DRIVER_LIBRARIES));
        if !has_libraries {
            return;
        }
        match env.iter_mut().find(|(name, _)| name == "LD_LIBRARY_PATH") {
            Some((_, path)) if !path.is_empty() => {
                *path = format!("{DRIVER_LIBRARIES}:{path}");
            }
            Some((_, path)) => DRIVER_LIBRARIES.clone_into(path),
            None => env.push(("LD_LIBRARY_PATH".to_owned(), DRIVER_LIBRARIES.to_owned())),
        }
    }
}
