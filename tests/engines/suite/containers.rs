//! Processes in containers.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use futures_util::future::join_all;
use image_runtime::engine::{Access, EngineError, Limits, MOUNT_ROOT, Mount};

use crate::bench::{Bench, idle, shell, within};
use crate::tree::{directory, file, link};

pub(crate) async fn the_process_gets_exactly_its_arguments(bench: &Bench) {
    let mut spec = shell(
        bench.system().await,
        r#"for a; do echo "[$a]"; done; echo $0"#,
    );
    let arguments = ["name", "", "two words", "$HOME", "\"'\\", "-x", "a\tb"];
    spec.argv.extend(arguments.map(str::to_owned));
    let (_, lines) = bench.run(&spec).await;
    assert_eq!(
        lines,
        [
            "[]",
            "[two words]",
            "[$HOME]",
            "[\"'\\]",
            "[-x]",
            "[a\tb]",
            "name"
        ]
    );
}

pub(crate) async fn the_process_gets_exactly_its_environment(bench: &Bench) {
    let mut spec = shell(bench.system().await, "");
    // Not by the shell, which passes on only names that it can use itself.
    spec.argv = vec!["/usr/bin/env".to_owned()];
    let given = [
        ("PATH", "/usr/bin"),
        ("EMPTY", ""),
        ("TEXT", "a=b \"c\" $d"),
        ("ÄÖ", "ü"),
    ];
    spec.env = given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let (_, lines) = bench.run(&spec).await;
    // What an engine may add.
    let added = ["HOME=", "HOSTNAME="];
    let mut lines: Vec<_> = lines
        .iter()
        .filter(|line| !added.iter().any(|name| line.starts_with(name)))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        ["EMPTY=", "PATH=/usr/bin", "TEXT=a=b \"c\" $d", "ÄÖ=ü"]
    );
}

pub(crate) async fn the_process_runs_where_and_as_whom_it_was_told(bench: &Bench) {
    let system = bench.system().await;
    let command = "pwd -P; id -u; id -g";
    let cases = [
        ("/", "", ["/", "0", "0"]),
        ("/new/folder", "", ["/new/folder", "0", "0"]),
        ("/tmp", "user", ["/tmp", "1000", "1000"]),
        ("/tmp", "12:34", ["/tmp", "12", "34"]),
    ];
    for (workdir, user, expected) in cases {
        let mut spec = shell(system, command);
        (spec.workdir, spec.user) = (workdir.to_owned(), user.to_owned());
        if !user.is_empty() && bench.has_only_root().await {
            let error = bench.engine.start(&spec).await.unwrap_err().to_string();
            let asked = expected[1..].join(":");
            assert!(error.contains(&asked) && error.contains("help:"), "{error}");
        } else {
            assert_eq!(bench.run(&spec).await.1, expected);
        }
    }
}

pub(crate) async fn giving_files_to_other_users_succeeds(bench: &Bench) {
    let command = "echo x > /x; chown 12:34 /x && stat -c %u:%g /x";
    let owner = if bench.has_only_root().await {
        "0:0"
    } else {
        "12:34"
    };
    assert_eq!(bench.sh(bench.system().await, command).await, [owner]);
}

pub(crate) async fn exit_codes_and_signals_are_told(bench: &Bench) {
    let system = bench.system().await;
    // The first process of a container ignores signals that it has no handler for; an outside one kills it.
    for (command, code) in [
        ("exit 0", 0),
        ("exit 7", 7),
        ("sh -c 'kill -9 $$'; exit $?", 137),
    ] {
        let (exit, lines) = bench.run(&shell(system, command)).await;
        assert_eq!(exit.code, code, "{command}: {lines:?}");
        assert!(!exit.out_of_memory);
    }
}

pub(crate) async fn an_end_is_told_to_all_who_wait_and_to_those_who_come_late(bench: &Bench) {
    let spec = shell(bench.system().await, "echo done; exit 3");
    let container = bench.engine.start(&spec).await.unwrap();
    let (one, two) = tokio::join!(within(container.wait()), within(container.wait()));
    assert_eq!((one.unwrap().code, two.unwrap().code), (3, 3));
    assert_eq!(container.last_output(), ["done"]);
    // Long after the container is gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(within(container.wait()).await.unwrap().code, 3);
    container.remove().await.unwrap();
}

pub(crate) async fn only_the_last_lines_of_output_are_kept(bench: &Bench) {
    let command = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; \
                   head -c 5000000 /dev/zero; echo; printf 'no end'";
    let (exit, lines) = bench.run(&shell(bench.system().await, command)).await;
    assert_eq!(exit.code, 0);
    assert!(lines.len() <= 60 && lines.len() >= 20, "{}", lines.len());
    assert!(lines.iter().all(|line| line.len() <= 10_000));
    for expected in ["line 1999", "no end"] {
        assert!(lines.iter().any(|line| line == expected), "{expected}");
    }
    let command = "echo to stdout; echo to stderr >&2";
    let mut lines = bench.sh(bench.system().await, command).await;
    lines.sort();
    assert_eq!(lines, ["to stderr", "to stdout"]);
}

pub(crate) async fn a_program_that_does_not_exist_is_an_error(bench: &Bench) {
    let mut spec = shell(bench.system().await, "");
    spec.argv[0] = "/no/such/program".to_owned();
    let error = bench.engine.start(&spec).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}

pub(crate) async fn removing_ends_the_process_and_can_be_repeated(bench: &Bench) {
    let system = bench.system().await;
    let container = bench.start_idle(&idle(system, "")).await;
    container.remove().await.unwrap();
    assert_eq!(within(container.wait()).await.unwrap().code, 137);
    container.remove().await.unwrap();
    // Also while it goes by itself.
    for _ in 0..5 {
        let container = bench.engine.start(&shell(system, "exit 0")).await.unwrap();
        let (waited, removed) = tokio::join!(within(container.wait()), container.remove());
        waited.unwrap();
        removed.unwrap();
        container.remove().await.unwrap();
    }
}

pub(crate) async fn a_container_sees_nothing_of_those_before_it(bench: &Bench) {
    let system = bench.system().await;
    let look = "stat -c '%a %u:%g' /; ls -A / /tmp /usr; echo $HOSTNAME";
    let (_, before) = bench.run(&shell(system, look)).await;
    let mut names = Vec::from_iter(before.last().cloned());
    for command in [
        "true",
        "echo x > /left; mkdir -p /tmp/left/below; chmod 0 /tmp/left",
        "rm -r /tmp",
        "mkdir /left; rm -r /left",
        "chmod 700 /",
        "touch -d @1000000000 /; ls /",
    ] {
        assert_eq!(
            bench.run(&shell(system, command)).await.0.code,
            0,
            "{command}"
        );
        let (_, mut after) = bench.run(&shell(system, look)).await;
        names.extend(after.pop());
        assert_eq!(after, before[..before.len() - 1], "{command}");
    }
    // A layer that is made meanwhile adds what it adds, and nothing to what it stands on.
    let layer = bench.layer(Some(system), [file("more", "")]).await.unwrap();
    assert_eq!(bench.sh(layer, "ls /more").await, ["/more"]);
    let (_, mut after) = bench.run(&shell(system, look)).await;
    names.extend(after.pop());
    assert_eq!(after, before[..before.len() - 1]);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
}

pub(crate) async fn what_this_program_has_open_cannot_be_reached(bench: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ours"), "").unwrap();
    let open = fs::File::open(folder.path()).unwrap();
    let numbers = BTreeSet::from_iter((3..40).chain([open.as_raw_fd()]));
    let to = |fd: &i32| link(&format!("fd{fd}"), &format!("/proc/self/fd/{fd}"));
    let links = Vec::from_iter(numbers.iter().map(to));
    let layer = bench.layer(Some(bench.system().await), links).await;
    let layer = layer.unwrap();
    for number in numbers {
        for workdir in [format!("/proc/self/fd/{number}"), format!("/fd{number}")] {
            let mut spec = shell(layer, "ls -A . ..");
            spec.workdir = workdir;
            // Engines may refuse it: most of these lead nowhere.
            let Ok(container) = bench.engine.start(&spec).await else {
                continue;
            };
            container.wait().await.unwrap();
            let seen = container.last_output();
            container.remove().await.unwrap();
            let of_machine =
                |name: &String| ["ours", "vmlinuz", "boot", "lost+found"].contains(&name.as_str());
            assert!(!seen.iter().any(of_machine), "{}: {seen:?}", spec.workdir);
        }
    }
    drop(open);
}

pub(crate) async fn a_start_that_is_given_up_leaves_no_container(bench: &Bench) {
    let system = bench.system().await;
    let layer = bench.layer(Some(system), [file("x", "")]).await.unwrap();
    // At different moments: before it is made, while it is made, while it is started.
    for milliseconds in [1, 10, 30, 60, 100] {
        let spec = idle(layer, "");
        let start = bench.engine.start(&spec);
        let limit = Duration::from_millis(milliseconds);
        if let Ok(container) = tokio::time::timeout(limit, start).await {
            container.unwrap().remove().await.unwrap();
        }
    }
    bench.until_removed(&layer).await;
}

pub(crate) async fn links_of_a_layer_lead_nowhere_outside(bench: &Bench) {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("there")).unwrap();
    fs::write(outside.path().join("given"), "from here").unwrap();
    let up = format!("../../../../../../..{}", outside.path().display());
    let links = [
        directory("real"),
        link("inside", "../../../../real"),
        link("new", &up),
        link("there", &format!("{up}/there")),
    ];
    let layer = bench.layer(Some(bench.system().await), links).await;
    let layer = layer.unwrap();
    let start = async |target: &str| {
        let mut spec = shell(layer, "ls /real");
        spec.mounts = vec![Mount::Local {
            source: outside.path().join("given"),
            target: target.to_owned(),
            access: Access::Read,
        }];
        bench.engine.start(&spec).await
    };
    // Engines may refuse or show it somewhere inside: nothing is made outside.
    for target in ["/new/made/file", "/new/file", "/there/file"] {
        if let Ok(container) = start(target).await {
            container.wait().await.unwrap();
            container.remove().await.unwrap();
        }
    }
    let listed = fs::read_dir(outside.path()).unwrap();
    let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["given", "there"]);
    let listed = fs::read_dir(outside.path().join("there")).unwrap();
    assert_eq!(listed.count(), 0);
    // One that leads to a place inside is followed.
    let mut spec = shell(layer, "cat /real/file; echo; cat /inside/file");
    spec.mounts = vec![Mount::Local {
        source: outside.path().join("given"),
        target: "/inside/file".to_owned(),
        access: Access::Read,
    }];
    assert_eq!(bench.run(&spec).await.1, ["from here", "from here"]);
    // And so is one that is the place.
    spec.mounts = vec![Mount::Local {
        source: outside.path().to_owned(),
        target: "/inside".to_owned(),
        access: Access::Read,
    }];
    spec.argv = shell(layer, "cat /real/given").argv;
    assert_eq!(bench.run(&spec).await.1, ["from here"]);
}

pub(crate) async fn files_of_this_machine_are_seen_inside(bench: &Bench) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("given"), "from here").unwrap();
    let mount = |name: &str, access| Mount::Local {
        source: folder.path().to_owned(),
        target: format!("{MOUNT_ROOT}/{name}"),
        access,
    };
    let one_file = Mount::Local {
        source: folder.path().join("given"),
        target: format!("{MOUNT_ROOT}/one-file"),
        access: Access::Read,
    };
    let command = "cd /dev/image-runtime; cat one-file; echo; cat writable/given; echo; \
                   (echo x > readable/new) 2> /dev/null || echo refused; echo from inside > writable/new";
    let mut spec = shell(bench.system().await, command);
    spec.mounts = vec![
        mount("writable", Access::Returned),
        mount("readable", Access::Read),
        one_file,
    ];
    let (exit, lines) = bench.run(&spec).await;
    assert_eq!(exit.code, 0, "{lines:?}");
    assert_eq!(
        (lines[0].as_str(), lines[1].as_str()),
        ("from here", "from here")
    );
    assert_eq!(lines.last().unwrap(), "refused");
    assert_eq!(
        fs::read_to_string(folder.path().join("new")).unwrap(),
        "from inside\n"
    );
}

pub(crate) async fn without_network_there_is_only_the_loopback(bench: &Bench) {
    let command = "cat /proc/net/dev";
    let mut spec = shell(bench.system().await, command);
    let interfaces = |lines: &[String]| -> Vec<String> {
        let names = lines
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        // Tunnels that a kernel shows in every network namespace lead nowhere.
        names
            .filter(|name| name == "lo" || name.starts_with("eth"))
            .collect()
    };
    assert_eq!(interfaces(&bench.run(&spec).await.1), ["lo"]);
    spec.network = true;
    assert!(interfaces(&bench.run(&spec).await.1).len() > 1);
}

pub(crate) async fn several_run_at_once(bench: &Bench) {
    let system = bench.system().await;
    let runs = (0..8).map(|number| async move {
        let (exit, lines) = bench
            .run(&shell(system, &format!("echo {number}; exit {number}")))
            .await;
        assert_eq!((exit.code, lines), (number, vec![number.to_string()]));
    });
    join_all(runs).await;
}

pub(crate) async fn running_out_of_memory_is_told(bench: &Bench) {
    let command = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done";
    let mut spec = shell(bench.system().await, command);
    spec.limits.memory = Some(32 << 20);
    if !bench.keeps_limits(&spec).await {
        return;
    }
    let (exit, lines) = bench.run(&spec).await;
    assert_eq!(exit.code, 137, "{lines:?}");
    assert!(exit.out_of_memory);
}

pub(crate) async fn no_more_processes_are_started_than_the_limit_says(bench: &Bench) {
    let bomb = "i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; echo no limit";
    let command = format!("(echo one; {bomb}) 2>&1; echo it failed with $?");
    let mut spec = idle(bench.system().await, &command);
    spec.limits.pids = Some(20);
    if !bench.keeps_limits(&spec).await {
        return;
    }
    let container = bench.start_idle(&spec).await;
    let lines = container.last_output();
    assert_eq!(lines.first().unwrap(), "one", "{lines:?}");
    assert!(!lines.iter().any(|line| line == "no limit"), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line == "it failed with 0"),
        "{lines:?}"
    );
    // Also while it holds as many as it may.
    container.remove().await.unwrap();
    assert_eq!(within(container.wait()).await.unwrap().code, 137);
}

pub(crate) async fn containers_within_their_limits_run_as_others_do(bench: &Bench) {
    let mut spec = shell(bench.system().await, "echo hello; (exit 3)");
    spec.limits = Limits {
        memory: Some(64 << 20),
        pids: Some(50),
        cpus: Some(0.5),
    };
    if !bench.keeps_limits(&spec).await {
        return;
    }
    let (exit, lines) = bench.run(&spec).await;
    assert_eq!((exit.code, lines), (3, vec!["hello".to_owned()]));
    assert!(!exit.out_of_memory);
}

pub(crate) async fn a_program_finds_its_own_limits_where_it_looks_for_them(bench: &Bench) {
    // The first and the second version of control groups; of the others the machine's own may be there.
    let read = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us 2> /dev/null || \
                cat memory.max pids.max cpu.max";
    let change = "for file in memory*/memory.limit_in_bytes memory.ma*; do [ -e $file ] && (echo -1 > $file) 2> /dev/null && echo changed $file; done";
    let mut spec = shell(bench.system().await, &format!("{read}; {change}"));
    spec.limits = Limits {
        memory: Some(64 << 20),
        pids: Some(50),
        cpus: Some(0.5),
    };
    if !bench.keeps_limits(&spec).await {
        return;
    }
    for network in [false, true] {
        spec.network = network;
        let (_, mut lines) = bench.run(&spec).await;
        let quota = lines.pop().unwrap_or_default();
        assert_eq!(lines, [(64 << 20).to_string(), "50".to_owned()]);
        assert!(
            matches!(quota.as_str(), "50000" | "50000 100000"),
            "{quota}"
        );
    }
}

pub(crate) async fn a_limit_that_makes_no_sense_is_an_error(bench: &Bench) {
    let mut spec = shell(bench.system().await, "exit 0");
    spec.limits.memory = Some(1);
    let error = bench.engine.start(&spec).await.unwrap_err();
    assert!(matches!(error, EngineError::Limit { .. }), "{error:?}");
    assert!(error.to_string().contains("`memory`"), "{error}");
}
