//! GPUs, from the driver's answer to what a container sees. The driver is a stand-in that tells of one T4, so that this runs anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::json;

use crate::support::{Program, data, engine, engine_name, program};

/// A folder with a driver: its library, and a specification of what containers are to see.
static DRIVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu-driver");
    fs::create_dir_all(folder.join("cdi")).unwrap();
    let library = folder.join("libnvidia-ml.so.1");
    let compiled = Command::new("rustc")
        .args([
            "--edition=2021",
            "--crate-type=cdylib",
            "-Cpanic=abort",
            "-o",
        ])
        .arg(&library)
        .arg(data("nvml.rs"))
        .status();
    assert!(compiled.unwrap().success());
    let specification = json!({
        "cdiVersion": "0.6.0",
        "kind": "nvidia.com/gpu",
        "devices": [{
            "name": "0",
            "containerEdits": { "deviceNodes": [{ "path": "/dev/nvidia0", "hostPath": "/dev/null" }] },
        }],
        "containerEdits": {
            "deviceNodes": [{ "path": "/dev/nvidiactl", "hostPath": "/dev/zero" }],
            "mounts": [{ "hostPath": library, "containerPath": "/usr/lib/libnvidia-ml.so.1" }],
        },
    });
    fs::write(folder.join("cdi/nvidia.json"), specification.to_string()).unwrap();
    folder
});

fn computing(arguments: &[&str]) -> Program {
    program(env!("CARGO_BIN_EXE_computing"), arguments)
        .env("LD_LIBRARY_PATH", &*DRIVER)
        .env("IMAGE_CDI_DIRS", DRIVER.join("cdi"))
}

#[test]
fn a_function_sees_its_gpu_and_the_driver() {
    if !engine() {
        return;
    }
    let look = computing(&["call", "look"]);
    if engine_name() != "embedded" {
        // The daemon does not know of a stand-in.
        look.run()
            .with(1, &["help:", "nvidia-ctk runtime configure"]);
        return;
    }
    let expected = [
        "/dev/nvidia0",
        "/dev/nvidiactl",
        "/dev/image-runtime/nvidia/libnvidia-ml.so.1",
        "LD_LIBRARY_PATH=/dev/image-runtime/nvidia",
        "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "NVIDIA_VISIBLE_DEVICES=GPU-stand-in",
        "the worker itself: true",
    ];
    assert_eq!(look.run().good().json(), json!(expected));
}

#[test]
fn a_gpu_that_the_machine_has_not_is_told_before_anything_starts() {
    if !engine() {
        return;
    }
    let ended = computing(&["call", "never"]).run();
    let words = [
        "`never` cannot be called",
        "`B200`, else `H100:8`",
        "has Tesla T4 (15 GiB)",
        "help:",
    ];
    assert!(!ended.with(1, &words).stderr.contains("built"));
}

#[test]
fn whole_gpus_are_one_containers_at_a_time_among_functions_and_programs() {
    if !engine() || engine_name() != "embedded" {
        return;
    }
    let both = [computing(&[]).start(), computing(&[]).start()];
    let mut waited = 0;
    for program in both {
        let ended = program.end().good();
        assert_eq!(ended.stdout, "six calls, one after the other\n");
        waited += ended.stderr.matches("waits for a GPU").count();
    }
    assert!(waited >= 1, "with one GPU somebody has to wait");
}

#[test]
fn a_call_that_waits_for_the_gpu_of_its_caller_fails_and_says_so() {
    if !engine() || engine_name() != "embedded" {
        return;
    }
    for (arguments, chain) in [
        (&["call", "ask"][..], "`ask` → `infer`"),
        (&["call", "ask_beside", "true"], "`ask_beside` → `infer`"),
    ] {
        let words = ["would wait for ever", chain, "help:", "`gpu = \"any\"`"];
        computing(arguments).run().with(1, &words);
    }
    computing(&["call", "ask_beside", "false"]).run().good();
}
