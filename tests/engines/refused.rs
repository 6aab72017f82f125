//! Where the kernel, or what this program runs in, refuses what the embedded engine can do without.

use std::collections::BTreeMap;
use std::process::Command;

use rustix::mount::{FsOpenFlags, fsopen};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::bench::{self, shell};

/// Set in the process where mounts are refused: a filter cannot be taken off again.
const REFUSED: &str = "IMAGE_TESTS_REFUSED";

#[test]
fn containers_start_where_this_program_may_not_mount() {
    // For other users, nothing is mounted outside of containers.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "refused::starts_without_mounts", "--ignored"])
        .args(["--nocapture"])
        .env(REFUSED, "1")
        .output()
        .unwrap();
    let [out, err] = [&ended.stdout, &ended.stderr].map(|said| String::from_utf8_lossy(said));
    assert!(
        ended.status.success() && out.contains("1 passed"),
        "{out}{err}"
    );
}

/// Not a test: what [`containers_start_where_this_program_may_not_mount`] runs.
#[test]
#[ignore = "it is started by another test"]
fn starts_without_mounts() {
    if std::env::var_os(REFUSED).is_none() {
        return;
    }
    refuse_new_mounts();
    let refused = fsopen("overlay", FsOpenFlags::empty()).map(drop);
    assert_eq!(refused, Err(rustix::io::Errno::PERM));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let case = bench::on("embedded", "containers_start", async |bench| {
        let spec = shell(bench.system().await, "echo hello > /file; cat /file");
        for _ in 0..2 {
            assert_eq!(bench.run(&spec).await.1, ["hello"]);
        }
    });
    runtime.block_on(case);
}

/// As container runtimes do whose rules are older than these system calls.
fn refuse_new_mounts() {
    let refuse = SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error().unsigned_abs());
    let rules = BTreeMap::from([(libc::SYS_fsopen, Vec::new())]);
    let here = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, here).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    apply_filter(&program).unwrap();
}
