//! What a process in a container may not do and does not see.

use crate::bench::{Bench, shell};
use crate::tree::{directory, link};

/// The capabilities that Docker leaves to root, as the kernel shows them.
const FEW: &str = "00000000a80425fb";

/// A field of the process's own status.
async fn status(bench: &Bench, user: &str, field: &str) -> String {
    let mut spec = shell(bench.system().await, "cat /proc/self/status");
    user.clone_into(&mut spec.user);
    let (_, lines) = bench.run(&spec).await;
    let value = lines.iter().find_map(|line| line.strip_prefix(field));
    value
        .unwrap_or_else(|| panic!("{lines:?}"))
        .trim()
        .to_owned()
}

/// Whether a command prints this with and without network: `/sys` may be made in another way.
async fn on_any_network(bench: &Bench, command: &str, expected: &[&str]) -> bool {
    let mut spec = shell(bench.system().await, command);
    let without = bench.run(&spec).await.1;
    spec.network = true;
    without == expected && bench.run(&spec).await.1 == expected
}

pub(crate) async fn root_has_few_capabilities_and_others_none(bench: &Bench) {
    assert_eq!(status(bench, "", "CapEff:").await, FEW);
    assert_eq!(status(bench, "", "CapBnd:").await, FEW);
    if bench.has_only_root().await {
        let mut spec = shell(bench.system().await, "");
        spec.user = "12:34".to_owned();
        let error = bench.engine.start(&spec).await.unwrap_err().to_string();
        assert!(error.contains("no user but root"), "{error}");
    } else {
        assert_eq!(status(bench, "12:34", "CapEff:").await, "0".repeat(16));
    }
}

pub(crate) async fn system_calls_are_filtered(bench: &Bench) {
    assert_eq!(status(bench, "", "Seccomp:").await, "2");
    for refused in [
        "mount -t tmpfs none /tmp",
        "unshare -m true",
        "unshare -U true",
    ] {
        let said = format!("{refused} 2> /dev/null || echo refused");
        let lines = bench.sh(bench.system().await, &said).await;
        assert_eq!(lines, ["refused"], "{refused}");
    }
}

pub(crate) async fn what_tells_of_the_machine_is_hidden(bench: &Bench) {
    let system = bench.system().await;
    for file in ["/proc/kcore", "/proc/keys", "/proc/timer_list"] {
        let read = format!("[ ! -e {file} ] || head -c 1 {file} | od -An -c");
        assert!(bench.sh(system, &read).await.is_empty(), "{file}");
    }
    for folder in ["/proc/acpi", "/proc/scsi", "/sys/firmware"] {
        let list = format!("[ ! -e {folder} ] || ls {folder}");
        assert!(on_any_network(bench, &list, &[]).await, "{folder}");
    }
}

pub(crate) async fn nothing_is_hidden_elsewhere_than_it_is(bench: &Bench) {
    let system = bench.system().await;
    for name in ["proc", "sys"] {
        let made = [directory("elsewhere"), link(name, "elsewhere")];
        // Docker makes no such layer.
        let Ok(layer) = bench.layer(Some(system), made).await else {
            continue;
        };
        let refused = bench.engine.start(&shell(layer, "echo in")).await;
        assert!(refused.is_err(), "a link stands for `/{name}`");
    }
}

pub(crate) async fn the_kernel_cannot_be_changed_from_inside(bench: &Bench) {
    for file in [
        "/proc/sys/kernel/domainname",
        "/proc/sysrq-trigger",
        "/sys/kernel/profiling",
    ] {
        let write = format!("(echo x > {file}) 2> /dev/null || echo refused");
        assert!(on_any_network(bench, &write, &["refused"]).await, "{file}");
    }
}

pub(crate) async fn device_files_that_are_made_inside_do_not_work(bench: &Bench) {
    let system = bench.system().await;
    for place in ["/made", "/dev/made", "/dev/shm/made", "/tmp/made"] {
        // Memory and the first disk, as far as this machine has them.
        for device in ["c 1 1", "b 8 0", "b 254 0"] {
            let open = format!(
                "mknod {place} {device} 2> /dev/null; (head -c 1 {place} > /dev/null) 2> /dev/null || echo refused"
            );
            let lines = bench.sh(system, &open).await;
            assert_eq!(lines, ["refused"], "{place} {device}");
        }
    }
    // Those that are there do.
    let lines = bench
        .sh(
            system,
            "head -c 2 /dev/zero | od -An -tx1; echo x > /dev/null",
        )
        .await;
    assert_eq!(lines, [" 00 00"]);
}

pub(crate) async fn processes_of_others_are_not_seen(bench: &Bench) {
    let lines = bench
        .sh(bench.system().await, "echo $$; ls -d /proc/[0-9]*")
        .await;
    assert_eq!(lines[0], "1");
    // The shell itself, and `ls`.
    assert!(lines.len() <= 3, "{lines:?}");
}

pub(crate) async fn it_has_a_name_and_addresses_of_its_own(bench: &Bench) {
    let command = "cat /etc/hostname /proc/sys/kernel/hostname; cat /etc/hosts; [ -s /etc/resolv.conf ] && echo resolvers";
    let lines = bench.sh(bench.system().await, command).await;
    assert_eq!(lines[0], lines[1]);
    assert!(
        lines.iter().any(|line| line.contains("localhost")),
        "{lines:?}"
    );
}
