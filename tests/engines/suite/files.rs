//! Layers made of files.

use std::io::{self, Cursor};
use std::time::Duration;

use image_runtime::digest::LayerId;
use image_runtime::engine::{EngineError, EntryKind};

use crate::bench::{Bench, idle, new_identity};
use crate::tree::{Tree, Walk, directory, fifo, file, hard_link, link};

pub(crate) async fn an_empty_tree_is_a_layer(bench: &Bench) {
    let empty = bench.layer(None, []).await.unwrap();
    assert!(bench.engine.has_layer(&empty).await.unwrap());
    let filled = bench.layer(Some(empty), [file("x", "1")]).await.unwrap();
    assert!(bench.engine.has_layer(&filled).await.unwrap());
}

pub(crate) async fn entries_arrive_as_they_were_given(bench: &Bench) {
    let items = [
        directory("t").mode(0o750).owner(7, 8),
        file("t/file", "content").mode(0o4711).owner(1000, 1001),
        file("t/empty", "").mode(0o600),
        link("t/link", "some/where"),
        link("t/absolute", "/etc/passwd"),
        hard_link("t/hard", "t/file").mode(0o4711).owner(1000, 1001),
        fifo("t/fifo"),
    ];
    let check = "cat /t/file; echo; stat -c '%n %A %u:%g %s %Y %h' /t /t/file /t/empty /t/fifo; \
                 readlink /t/link /t/absolute; [ /t/file -ef /t/hard ] && echo same";
    let [directory, owner] = if bench.has_only_root().await {
        ["0:0", "0:0"]
    } else {
        ["7:8", "1000:1001"]
    };
    let expected = [
        "content",
        &format!("/t drwxr-x--- {directory} DIR 1600000000"),
        &format!("/t/file -rws--x--x {owner} 7 1600000000 2"),
        "/t/empty -rw------- 0:0 0 1600000000 1",
        "/t/fifo prw------- 0:0 0 1600000000 1",
        "some/where",
        "/etc/passwd",
        "same",
    ];
    // Over a layer, and as the first layer of all.
    let system = bench.system().await;
    let over = bench.layer(Some(system), items.clone()).await.unwrap();
    let whole: Vec<_> = crate::tree::small_system()
        .0
        .into_iter()
        .chain(items)
        .collect();
    let first = bench.layer(None, whole).await.unwrap();
    for layer in [over, first] {
        let mut lines = bench.sh(layer, check).await;
        // The size and links of a directory are the file system's own.
        let directory: Vec<&str> = lines[1].split(' ').collect();
        lines[1] = format!(
            "{} {} {} DIR {}",
            directory[0], directory[1], directory[2], directory[4]
        );
        assert_eq!(lines, expected);
    }
}

pub(crate) async fn files_are_put_over_those_below(bench: &Bench) {
    let system = bench.system().await;
    let before = [
        directory("d"),
        file("d/a", "old"),
        file("d/b", "kept"),
        link("d/l", "b"),
    ];
    let below = bench.layer(Some(system), before).await.unwrap();
    let after = [
        directory("d"),
        file("d/a", "new").mode(0o600),
        file("d/l", "no link"),
    ];
    let above = bench.layer(Some(below), after).await.unwrap();
    let check = "cd /d; for f in a b l; do cat $f; echo; done; stat -c %a a; [ -L l ] || echo file";
    assert_eq!(
        bench.sh(above, check).await,
        ["new", "kept", "no link", "600", "file"]
    );
    assert_eq!(bench.sh(below, "cat /d/a /d/l").await, ["oldkept"]);
}

pub(crate) async fn directories_that_are_there_stay_as_they_are(bench: &Bench) {
    let system = bench.system().await;
    let items = [
        directory("tmp"),
        file("tmp/x", ""),
        directory("root"),
        file("root/y", ""),
    ];
    let layer = bench.layer(Some(system), items).await.unwrap();
    let lines = bench
        .sh(layer, "stat -c '%n %a' /tmp /root; ls /tmp /root")
        .await;
    assert_eq!(
        lines,
        ["/tmp 1777", "/root 700", "/root:", "y", "", "/tmp:", "x"]
    );
}

pub(crate) async fn new_directories_go_into_those_that_are_there(bench: &Bench) {
    let system = bench.system().await;
    let items = [
        directory("opt").mode(0o750).owner(7, 8),
        directory("opt/old").mode(0o700),
        file("opt/old/x", "1"),
    ];
    let below = bench.layer(Some(system), items).await.unwrap();
    let items = [
        directory("opt"),
        directory("opt/old"),
        directory("opt/old/new").mode(0o711).owner(1000, 1001),
        file("opt/old/new/y", "2").mode(0o600),
        hard_link("opt/old/new/z", "opt/old/new/y").mode(0o600),
    ];
    let layer = bench.layer(Some(below), items).await.unwrap();
    let check = "stat -c '%n %a %u:%g' /opt /opt/old /opt/old/new /opt/old/new/y; \
                 cat /opt/old/x /opt/old/new/z; echo";
    let [opt, new] = if bench.has_only_root().await {
        ["0:0", "0:0"]
    } else {
        ["7:8", "1000:1001"]
    };
    let expected = [
        &format!("/opt 750 {opt}"),
        "/opt/old 700 0:0",
        &format!("/opt/old/new 711 {new}"),
        "/opt/old/new/y 600 0:0",
        "12",
    ];
    assert_eq!(bench.sh(layer, check).await, expected);
}

pub(crate) async fn a_directory_that_is_a_link_is_followed(bench: &Bench) {
    let system = bench.system().await;
    let items = [
        directory("bin"),
        file("bin/tool", "#!/bin/sh\necho I work\n").mode(0o755),
        hard_link("bin/same", "bin/tool").mode(0o755),
        directory("bin/more"),
        file("bin/more/x", ""),
    ];
    let layer = bench.layer(Some(system), items).await.unwrap();
    let check = "readlink /bin; /usr/bin/tool; same; ls /usr/bin/more";
    assert_eq!(
        bench.sh(layer, check).await,
        ["usr/bin", "I work", "I work", "x"]
    );
}

pub(crate) async fn a_file_is_never_put_over_a_directory(bench: &Bench) {
    let system = bench.system().await;
    let new = bench.new_layer(Some(system));
    let tree = Tree(vec![file("etc", "not the directory")]);
    let error = bench
        .engine
        .add_files(&new, Box::new(tree))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("etc"), "{error}");
    assert!(!bench.engine.has_layer(&new.id).await.unwrap());
}

/// Makes a layer of what a command writes.
async fn saved(bench: &Bench, below: LayerId, command: &str) -> LayerId {
    let container = bench.start_idle(&idle(below, command)).await;
    let new = bench.new_layer(Some(below));
    container.save(&new).await.unwrap();
    container.remove().await.unwrap();
    new.id
}

pub(crate) async fn files_are_put_where_a_layer_removed_some(bench: &Bench) {
    let before = [
        directory("e"),
        file("e/old", ""),
        directory("f"),
        file("g", "old"),
    ];
    let system = bench.system().await;
    let layer = bench.layer(Some(system), before).await.unwrap();
    let replace = "rm -r /e; rm -r /f; echo now a file > /f; rm /g";
    let layer = saved(bench, layer, replace).await;
    let after = [
        directory("e").mode(0o711),
        file("e/new", ""),
        file("f", "still a file"),
        directory("g"),
        file("g/new", ""),
    ];
    let layer = bench.layer(Some(layer), after).await.unwrap();
    let check = "ls -d /e/* /g/*; stat -c %a /e /g; cat /f";
    assert_eq!(
        bench.sh(layer, check).await,
        ["/e/new", "/g/new", "711", "755", "still a file"]
    );
}

pub(crate) async fn directories_that_nobody_may_enter_are_filled(bench: &Bench) {
    let system = bench.system().await;
    let closed = [
        directory("a").mode(0),
        directory("a/b").mode(0o500),
        file("a/b/first", ""),
    ];
    let layer = bench.layer(Some(system), closed).await.unwrap();
    let write = "echo > /a/b/second; chmod 555 / /a/b; mkdir -m 0 /a/c; echo > /a/c/second";
    let layer = saved(bench, layer, write).await;
    let more = [file("third", ""), file("tmp/third", "")];
    let layer = bench.layer(Some(layer), more).await.unwrap();
    let check = "stat -c %a /a /a/b /a/c; ls /a/*; ls -d /third /tmp/third";
    let expected = [
        "0",
        "555",
        "0",
        "/a/b:",
        "first",
        "second",
        "",
        "/a/c:",
        "second",
        "/third",
        "/tmp/third",
    ];
    assert_eq!(bench.sh(layer, check).await, expected);
}

pub(crate) async fn long_names_and_big_numbers_are_kept(bench: &Bench) {
    let system = bench.system().await;
    let long = "n".repeat(200);
    let target = format!("{long}/{long}");
    let items = |uid, gid| {
        [
            directory(&long),
            file(&format!("{long}/{long}"), "deep").owner(uid, gid),
            link(&format!("{long}/link"), &target),
            file("umlaut ä\u{1f980}", "crab"),
        ]
    };
    let mut numbers = (3_000_000_000, 2_500_000);
    let mut made = bench.layer(Some(system), items(numbers.0, numbers.1)).await;
    if let Err(error) = &made {
        // An ordinary user has a range of numbers, and it is told when that is too small.
        assert!(error.to_string().contains("`/etc/subuid`"), "{error}");
        numbers = (65_534, 65_535);
        made = bench.layer(Some(system), items(numbers.0, numbers.1)).await;
    }
    let layer = made.unwrap();
    let check =
        format!("cd /{long}; cat {long}; echo; stat -c %u:%g {long}; readlink link; cat /uml*");
    let owner = if bench.has_only_root().await {
        "0:0".to_owned()
    } else {
        format!("{}:{}", numbers.0, numbers.1)
    };
    let expected = ["deep", &owner, &target, "crab"];
    assert_eq!(bench.sh(layer, &check).await, expected);
}

pub(crate) async fn a_source_that_fails_leaves_no_layer(bench: &Bench) {
    let system = bench.system().await;
    for parent in [None, Some(system)] {
        // At an entry's border, where the archive so far would pass for a whole one, and within a file.
        for within_file in [false, true] {
            let new = bench.new_layer(parent);
            let source = Walk(move |sink: &mut dyn image_runtime::engine::FileSink| {
                for number in 0..40 {
                    let item = file(&format!("f{number}"), vec![b'x'; 100_000]);
                    sink.add(&item.entry, &mut Cursor::new(&item.content))?;
                }
                if within_file {
                    let item = file("half", vec![b'x'; 1_000_000]);
                    sink.add(&item.entry, &mut Failing(500_000))?;
                }
                Err(io::Error::other("`f40`: the disk is on fire"))
            });
            let error = bench
                .engine
                .add_files(&new, Box::new(source))
                .await
                .unwrap_err();
            assert!(matches!(error, EngineError::Files(_)), "{error:?}");
            assert!(error.to_string().contains("on fire"), "{error}");
            assert!(!bench.engine.has_layer(&new.id).await.unwrap());
        }
    }
}

/// Gives some bytes, then fails.
struct Failing(usize);

impl io::Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the disk is on fire"));
        }
        let count = buffer.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }
}

pub(crate) async fn a_source_that_panics_leaves_no_layer(bench: &Bench) {
    let new = bench.new_layer(None);
    let source = Walk(|sink: &mut dyn image_runtime::engine::FileSink| {
        let item = file("x", "1");
        sink.add(&item.entry, &mut Cursor::new(&item.content))?;
        panic!("a fault in a source")
    });
    assert!(
        bench
            .engine
            .add_files(&new, Box::new(source))
            .await
            .is_err()
    );
    assert!(!bench.engine.has_layer(&new.id).await.unwrap());
}

pub(crate) async fn a_file_that_changes_its_size_leaves_no_layer(bench: &Bench) {
    let system = bench.system().await;
    for (announced, given) in [(10, 5), (10, 20)] {
        let mut log = file("log", vec![0; given]);
        log.entry.kind = EntryKind::File { size: announced };
        let mut in_new = log.clone();
        in_new.entry.path = "new/log".into();
        let of_all = (None, Tree(vec![log]));
        // Here an engine may know all entries before the first comes.
        let over = (Some(system), Tree(vec![directory("new"), in_new]));
        for (parent, files) in [of_all, over] {
            let new = bench.new_layer(parent);
            let error = bench
                .engine
                .add_files(&new, Box::new(files))
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("log`"), "{error}");
            assert!(!bench.engine.has_layer(&new.id).await.unwrap());
        }
    }
}

pub(crate) async fn work_that_is_given_up_leaves_nothing(bench: &Bench) {
    let system = bench.system().await;
    let below = bench.layer(Some(system), [file("x", "")]).await.unwrap();
    for parent in [None, Some(below)] {
        let new = bench.new_layer(parent);
        let source = Walk(|sink: &mut dyn image_runtime::engine::FileSink| {
            for number in 0..1000 {
                let item = file(&format!("f{number}"), vec![b'x'; 50_000]);
                sink.add(&item.entry, &mut Cursor::new(&item.content))?;
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(())
        });
        let work = bench.engine.add_files(&new, Box::new(source));
        let outcome = tokio::time::timeout(Duration::from_millis(700), work).await;
        assert!(outcome.is_err());
        assert!(!bench.engine.has_layer(&new.id).await.unwrap());
    }
    // No container holds the layer below.
    bench.until_removed(&below).await;
}

pub(crate) async fn a_parent_that_does_not_exist_is_an_error(bench: &Bench) {
    let missing = new_identity();
    let new = bench.new_layer(Some(missing));
    let tree = Tree(vec![file("x", "")]);
    let error = bench
        .engine
        .add_files(&new, Box::new(tree))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&missing.short()), "{error}");
}
