//! What a function with `gpu = …` sees, on a machine with an NVIDIA GPU: the GPU's name, its memory, and a copy to it and back by the
//! driver's own library. Without a GPU the first call says so, and nothing is built or started.
//!
//! `cargo run -p gpu`; with Docker, which needs the NVIDIA Container Toolkit: `IMAGE_ENGINE=docker cargo run -p gpu`.

use std::process::Command;

use anyhow::{Context, ensure};
use image_runtime::{Image, app, image};

const PYTHON: Image = image!(debian_slim(python_version = "3.11"));

/// Talks to the driver directly, so that no framework has to be installed.
const COPY: &str = r#"
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
def call(name, *arguments):
    error = getattr(cuda, name)(*arguments)
    if error:
        raise SystemExit(f"{name}: CUDA error {error}")
device, context, there = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
call("cuInit", 0)
call("cuDeviceGet", ctypes.byref(device), 0)
name = ctypes.create_string_buffer(100)
call("cuDeviceGetName", name, 100, device)
call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
sent = bytes(range(256)) * 4096
call("cuMemAlloc_v2", ctypes.byref(there), ctypes.c_size_t(len(sent)))
call("cuMemcpyHtoD_v2", there, sent, ctypes.c_size_t(len(sent)))
back = ctypes.create_string_buffer(len(sent))
call("cuMemcpyDtoH_v2", back, there, ctypes.c_size_t(len(sent)))
assert back.raw == sent, "other bytes came back"
print(f"{name.value.decode()}: {len(sent)} bytes went there and back")
"#;

fn output_of(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("`{program}` cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{program}` failed: {said}{errors}"
    );
    Ok(said)
}

/// Any GPU, which others may use at the same time.
#[app::function(image = PYTHON, gpu = "any")]
fn look() -> anyhow::Result<String> {
    output_of("nvidia-smi", &["-L"])
}

/// One GPU, and nobody else's meanwhile: the best of those there are.
#[app::function(image = PYTHON, gpu = ["H200:1", "H100:1", "A100-80GB:1", "any:1"])]
fn copy() -> anyhow::Result<String> {
    output_of("python3", &["-c", COPY])
}

#[app::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", look::remote().await?);
    // More calls than most machines have GPUs: they queue.
    for copied in copy::starmap((0..8).map(|_| ())).collect().await {
        println!("{}", copied?);
    }
    Ok(())
}
