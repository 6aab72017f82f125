//! Drivers on a machine that is made of empty files.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn gpu(index: u32) -> Gpu {
    Gpu {
        index,
        minor: index + 2,
        uuid: format!("GPU-{index}"),
        name: "Tesla T4".to_owned(),
        memory: 1 << 34,
    }
}

/// A machine with these files, of which a name with an arrow is a link.
fn machine(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let (name, target) = file.split_once(" -> ").unwrap_or((file, ""));
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            "" => fs::write(path, "").unwrap(),
            target => symlink(target, path).unwrap(),
        }
    }
    root
}

fn targets(driver: &Driver) -> Vec<&str> {
    let mut targets: Vec<_> = driver.binds.iter().map(|bind| &*bind.target).collect();
    targets.sort_unstable();
    targets
}

const INSTALLED: [&str; 10] = [
    "dev/nvidia2",
    "dev/nvidia3",
    "dev/nvidiactl",
    "dev/nvidia-uvm",
    "usr/bin/nvidia-smi",
    "usr/lib64/libcuda.so.550.54",
    "usr/lib64/libcuda.so.1 -> libcuda.so.550.54",
    "usr/lib64/libcuda.so -> libcuda.so.1",
    "usr/lib64/libnvidia-ml.so.1",
    "usr/lib64/libnvidia-eglcore.so.550.54",
];

#[test]
fn a_driver_without_a_specification_is_found_where_it_is_installed() {
    let root = machine(&INSTALLED);
    let driver = driver_in(&[], root.path(), &[gpu(0)]).unwrap();
    let library = |name: &str| format!("{DRIVER_LIBRARIES}/{name}");
    let mut expected = vec![
        "/dev/nvidia-uvm".to_owned(),
        "/dev/nvidia2".to_owned(),
        "/dev/nvidiactl".to_owned(),
        "/usr/bin/nvidia-smi".to_owned(),
        library("libcuda.so"),
        library("libcuda.so.1"),
        library("libcuda.so.550.54"),
        library("libnvidia-ml.so.1"),
    ];
    expected.sort();
    assert_eq!(targets(&driver), expected);
    let devices = driver.binds.iter().filter(|bind| !bind.read_only);
    assert_eq!(devices.count(), 3, "devices are for writing, files are not");
    let both = driver_in(&[], root.path(), &[gpu(0), gpu(1)]).unwrap();
    assert!(targets(&both).contains(&"/dev/nvidia3"));
}

#[test]
fn what_a_driver_lacks_is_said() {
    for (left_out, says) in [
        ("dev/nvidia2", "no `/dev/nvidia2`"),
        ("dev/nvidiactl", "no `/dev/nvidiactl`"),
        ("usr/lib64/libcuda.so.1", "no `libcuda.so.1`"),
    ] {
        let files = INSTALLED
            .into_iter()
            .filter(|file| !file.starts_with(left_out));
        let root = machine(&files.collect::<Vec<_>>());
        let error = driver_in(&[], root.path(), &[gpu(0)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(says) && error.contains("help:"), "{error}");
    }
}

/// As `nvidia-ctk cdi generate` writes it, for a driver below `root`.
fn specification(root: &Path) -> String {
    let root = root.display();
    format!(
        "---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: \"0\"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia2
      hostPath: {root}/dev/nvidia2
- name: GPU-1
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia3
      hostPath: {root}/dev/nvidia3
containerEdits:
  deviceNodes:
  - path: /dev/nvidiactl
    hostPath: {root}/dev/nvidiactl
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  - EXTRA=1
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
    args: [nvidia-cdi-hook, update-ldcache, --folder, /usr/lib64]
  mounts:
  - hostPath: {root}/usr/lib64/libcuda.so.550.54
    containerPath: /usr/lib64/libcuda.so.550.54
    options: [ro, nosuid, nodev, bind]
"
    )
}

#[test]
fn a_specification_is_followed_and_its_hooks_are_not_needed() {
    let root = machine(&INSTALLED);
    let cdi = tempfile::tempdir().unwrap();
    fs::write(cdi.path().join("nvidia.yaml"), specification(root.path())).unwrap();
    fs::write(cdi.path().join("a.json"), r#"{"kind": "other.com/net"}"#).unwrap();
    fs::write(cdi.path().join("README"), "not a specification").unwrap();
    let driver = driver_in(&[cdi.path()], root.path(), &[gpu(0), gpu(1)]).unwrap();
    let library = |name: &str| format!("{DRIVER_LIBRARIES}/{name}");
    let mut expected = vec![
        "/dev/nvidia2".to_owned(),
        "/dev/nvidia3".to_owned(),
        "/dev/nvidiactl".to_owned(),
        "/usr/lib64/libcuda.so.550.54".to_owned(),
        library("libcuda.so"),
        library("libcuda.so.1"),
        library("libcuda.so.550.54"),
    ];
    expected.sort();
    assert_eq!(targets(&driver), expected);
    // One that it does not know: what is installed counts.
    let unknown = driver_in(&[cdi.path()], root.path(), &[gpu(7)]);
    assert!(unknown.unwrap_err().to_string().contains("/dev/nvidia9"));

    let mut env = vec![("LD_LIBRARY_PATH".to_owned(), "/opt/lib".to_owned())];
    driver.add_env(&mut env, &[gpu(0), gpu(1)]);
    let value = |name: &str| {
        let mut found = env.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    };
    assert_eq!(value("NVIDIA_VISIBLE_DEVICES"), Some("GPU-0,GPU-1"));
    assert_eq!(value("EXTRA"), Some("1"));
    let path = format!("{DRIVER_LIBRARIES}:/opt/lib");
    assert_eq!(value("LD_LIBRARY_PATH"), Some(&*path));
}

#[test]
fn a_specification_that_is_wrong_is_an_error_that_names_it() {
    let root = machine(&INSTALLED);
    let cdi = tempfile::tempdir().unwrap();
    let path = cdi.path().join("nvidia.yaml");
    for (text, says) in [
        ("kind: [".to_owned(), "nvidia.yaml"),
        (specification(Path::new("/gone")), "/gone/usr/lib64"),
    ] {
        fs::write(&path, text).unwrap();
        let error = driver_in(&[cdi.path()], root.path(), &[gpu(0)])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(says) && error.contains("nvidia-ctk"),
            "{error}"
        );
    }
}
