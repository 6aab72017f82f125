//! The real Debian archive: resolved, downloaded, unpacked, and configured in a container of a Docker daemon.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Output};

use image_runtime::base::debian::{Archive, Resolved, configure};
use image_runtime::engine::{Entry, EntryKind, FileSink};

/// Writes the files of a base as a tar archive.
struct Tar(tar::Builder<std::fs::File>);

impl FileSink for Tar {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.uid.into());
        header.set_gid(entry.gid.into());
        header.set_mtime(entry.mtime);
        header.set_size(0);
        let (kind, link) = match &entry.kind {
            EntryKind::Directory => (tar::EntryType::Directory, None),
            EntryKind::File { size } => {
                header.set_size(*size);
                (tar::EntryType::Regular, None)
            }
            EntryKind::Symlink { target } => (tar::EntryType::Symlink, Some(target)),
            EntryKind::HardLink { target } => (tar::EntryType::Link, Some(target)),
            other => return Err(io::Error::other(format!("a base has no {other:?}"))),
        };
        header.set_entry_type(kind);
        match link {
            Some(target) => self.0.append_link(&mut header, &entry.path, target),
            None => self.0.append_data(&mut header, &entry.path, content),
        }
    }
}

async fn unpack(suite: &str, architecture: &str, downloads: &Path, to: &Path) -> Resolved {
    let archive = Archive::new(suite, architecture, downloads).unwrap();
    let resolved = archive.resolve().await.unwrap();
    archive.fetch(&resolved, &|_, _| {}).await.unwrap();
    let mut tar = Tar(tar::Builder::new(std::fs::File::create(to).unwrap()));
    archive.files(&resolved).walk(&mut tar).unwrap();
    tar.0.finish().unwrap();
    resolved
}

#[tokio::test(flavor = "multi_thread")]
async fn every_suite_and_architecture_can_be_resolved_and_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    for (suite, architecture) in [
        ("bullseye", "amd64"),
        ("trixie", "amd64"),
        ("bookworm", "arm64"),
    ] {
        let tar = folder.path().join("base.tar");
        let resolved = unpack(suite, architecture, folder.path(), &tar).await;
        for needed in ["apt", "base-files", "libc6", "debian-archive-keyring"] {
            assert!(
                resolved
                    .packages
                    .iter()
                    .any(|package| package.name == needed),
                "{suite} has no {needed}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_is_configured_without_a_network_and_then_installs_packages() {
    if !docker(&["info"]).status.success() {
        assert!(
            std::env::var_os("CI").is_none()
                && std::env::var_os("IMAGE_TESTS_REQUIRE_ENGINE").is_none(),
            "no Docker daemon answers"
        );
        eprintln!("not run: no Docker daemon answers");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("base.tar");
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let resolved = unpack("bookworm", architecture, folder.path(), &tar).await;
    let unpacked = Removed("image", text(&docker(&["import", tar.to_str().unwrap()])));
    let run = [
        "run",
        "--detach",
        "--network",
        "none",
        &unpacked.1,
        "/bin/sleep",
        "600",
    ];
    let container = Removed("container", text(&docker(&run)));
    for command in configure(&resolved) {
        let mut arguments = vec!["exec".to_owned(), "--workdir".to_owned(), command.workdir];
        for (name, value) in command.env {
            arguments.extend(["--env".to_owned(), format!("{name}={value}")]);
        }
        arguments.push(container.1.clone());
        arguments.extend(command.argv);
        let output = docker(&arguments);
        assert!(output.status.success(), "{}", text(&output));
    }
    let base = Removed("image", text(&docker(&["commit", &container.1])));
    let said = |script: &str| {
        let output = docker(&["run", "--rm", &base.1, "/bin/sh", "-e", "-c", script]);
        assert!(output.status.success(), "{script}: {}", text(&output));
        text(&output)
    };

    assert_eq!(said("dpkg --audit"), "");
    assert_eq!(
        said("dpkg-query -W -f '${Status}\\n' | sort -u"),
        "install ok installed"
    );
    assert_eq!(
        said("dpkg --verify | grep -v /usr/share/ || true"),
        "",
        "every other file is as its package has it"
    );
    let installed = "dpkg-query -W -f '${Package}=${Version}\\n' | sort";
    let mut expected: Vec<String> = resolved
        .packages
        .iter()
        .map(|package| format!("{}={}", package.name, package.version))
        .collect();
    expected.sort();
    assert_eq!(said(&format!("LC_ALL=C; {installed}")), expected.join("\n"));
    assert_eq!(
        said("find / -xdev -name '*.dpkg-new' -o -path /run/image-runtime"),
        ""
    );
    assert_eq!(
        said("find /var/log /var/cache/apt /var/lib/apt/lists -type f -size +0"),
        ""
    );
    assert_eq!(
        said("stat -c '%n %a %U:%G' /tmp /root /usr/bin/su /etc/shadow"),
        "/tmp 1777 root:root\n/root 700 root:root\n/usr/bin/su 4755 root:root\n/etc/shadow 640 root:shadow"
    );
    said("apt-get check");
    said(
        "apt-get update -q && apt-get install -yq --no-install-recommends git && git --version && dpkg --audit",
    );
}

fn docker(arguments: &[impl AsRef<std::ffi::OsStr>]) -> Output {
    Command::new("docker")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| Output {
            status: std::os::unix::process::ExitStatusExt::from_raw(127 << 8),
            stdout: Vec::new(),
            stderr: error.to_string().into_bytes(),
        })
}

/// What a command printed, on both streams if it failed.
fn text(output: &Output) -> String {
    let mut bytes = output.stdout.clone();
    if !output.status.success() {
        bytes.extend_from_slice(&output.stderr);
    }
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// Something of Docker's that goes when the test ends, however it ends.
struct Removed(&'static str, String);

impl Drop for Removed {
    fn drop(&mut self) {
        docker(&[self.0, "rm", "--force", &self.1]);
    }
}
