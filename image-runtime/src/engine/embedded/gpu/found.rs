//! The driver as it lies on this machine, where no CDI specification says what it is.

use std::fs;
use std::io;
use std::path::Path;

use super::Driver;
use crate::gpu::Gpu;

/// Device files besides those of the GPUs, and whether nothing works without them.
const DEVICES: [(&str, bool); 4] = [
    ("nvidiactl", true),
    ("nvidia-uvm", false),
    ("nvidia-uvm-tools", false),
    ("nvidia-modeset", false),
];

/// Where distributions put the libraries of the driver.
const FOLDERS: [&str; 9] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/nvidia/current",
    "usr/lib/aarch64-linux-gnu/nvidia/current",
    "usr/lib64",
    "usr/lib",
    "usr/local/nvidia/lib64",
    "usr/lib/wsl/lib",
    "run/opengl-driver/lib",
];

/// What computes, and what tells of the GPU: the libraries that NVIDIA's own tools show for `compute,utility`.
const LIBRARIES: [&str; 11] = [
    "libcuda",
    "libcudadebugger",
    "libnvidia-allocator",
    "libnvidia-cfg",
    "libnvidia-gpucomp",
    "libnvidia-ml",
    "libnvidia-nvvm",
    "libnvidia-nvvm70",
    "libnvidia-opencl",
    "libnvidia-pkcs11",
    "libnvidia-ptxjitcompiler",
];

/// The library without which there is no driver.
const CUDA: &str = "libcuda.so.1";

/// A program of the driver that people look for.
const PROGRAM: &str = "usr/bin/nvidia-smi";

/// What is found below `root`.
pub(super) fn driver(root: &Path, gpus: &[Gpu]) -> io::Result<Driver> {
    let missing = |what: String| {
        let help = "check the driver's installation with `nvidia-smi`; `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` writes down where its parts are";
        io::Error::other(format!(
            "the NVIDIA driver is not complete: {what}\n  help: {help}"
        ))
    };
    let mut driver = Driver::default();
    let of_gpus = gpus
        .iter()
        .map(|gpu| (format!("nvidia{}", gpu.minor), true));
    let others = DEVICES.map(|(name, needed)| (name.to_owned(), needed));
    for (name, needed) in of_gpus.chain(others) {
        let source = root.join("dev").join(&name);
        if source.exists() {
            driver.device(source, &format!("/dev/{name}"));
        } else if needed {
            return Err(missing(format!("there is no `/dev/{name}`")));
        }
    }
    let mut folders = FOLDERS.iter().map(|folder| root.join(folder));
    let folder = folders
        .find(|folder| folder.join(CUDA).exists())
        .ok_or_else(|| missing(format!("no `{CUDA}` is found")))?;
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_library = name
            .split_once(".so")
            .is_some_and(|(stem, _)| LIBRARIES.contains(&stem));
        // Those of a driver that was removed may have left links.
        if is_library && entry.path().exists() {
            driver.library(&entry.path())?;
        }
    }
    let program = root.join(PROGRAM);
    if program.exists() {
        driver.file(program, format!("/{PROGRAM}"));
    }
    Ok(driver)
}
