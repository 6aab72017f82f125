//! The rules of [`EntryKind`], in a directory that holds files already and in one over a layer that does.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::super::super::form::Form;
use super::super::Writer;
use super::{Ground, overlay, path_of, tree};
use crate::engine::{Entry, EntryKind, FileSink as _};

fn entry(path: &str, kind: EntryKind) -> Entry {
    let is_directory = kind == EntryKind::Directory;
    Entry {
        path: path.into(),
        kind,
        mode: if is_directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: 1_600_000_000,
    }
}

fn directory(path: &str) -> (Entry, Vec<u8>) {
    (entry(path, EntryKind::Directory), Vec::new())
}

fn file(path: &str, content: &str) -> (Entry, Vec<u8>) {
    let size = content.len() as u64;
    (entry(path, EntryKind::File { size }), content.into())
}

fn link(path: &str, target: &str) -> (Entry, Vec<u8>) {
    let target = target.into();
    (entry(path, EntryKind::Symlink { target }), Vec::new())
}

fn hard_link(path: &str, target: &str) -> (Entry, Vec<u8>) {
    let target = target.into();
    (entry(path, EntryKind::HardLink { target }), Vec::new())
}

/// A root with some files, in a directory of its own.
struct Root {
    ground: Ground,
    /// Where is written.
    path: PathBuf,
    /// The layer below, if there is one.
    below: Option<PathBuf>,
    name: &'static str,
}

impl Root {
    fn write(&self, entries: &[(Entry, Vec<u8>)]) -> io::Result<()> {
        let mut writer = self.writer()?;
        for (entry, content) in entries {
            writer.add(entry, &mut content.as_slice())?;
        }
        writer.finish()
    }

    fn writer(&self) -> io::Result<Writer> {
        let root = fs::File::open(&self.path)?;
        Writer::new(
            root.as_fd(),
            self.below.iter().cloned().collect(),
            Form::Root,
        )
    }

    /// The directory, or a new overlay of it and what is below.
    fn seen(&self) -> OwnedFd {
        let Some(below) = &self.below else {
            return fs::File::open(&self.path).unwrap().into();
        };
        let [upper, work] = ["upper", "work"].map(|name| self.ground.root().join(name));
        for path in [&upper, &work] {
            fs::create_dir_all(path).unwrap();
        }
        let layers = [self.path.clone(), below.clone()];
        overlay(&layers, &upper, &work, "trusted").expect("it could be mounted before")
    }

    fn tree(&self) -> Vec<String> {
        tree(&path_of(&self.seen()))
    }

    fn inode(&self, path: &str) -> u64 {
        let seen = self.seen();
        fs::symlink_metadata(path_of(&seen).join(path))
            .unwrap()
            .ino()
    }

    /// Mode, owner and time.
    fn said(&self, path: &str) -> String {
        let seen = self.seen();
        let found = fs::symlink_metadata(path_of(&seen).join(path)).unwrap();
        let mode = found.mode() & 0o7777;
        format!("{mode:o} {}:{} {}", found.uid(), found.gid(), found.mtime())
    }

    fn error(&self, entries: &[(Entry, Vec<u8>)]) -> String {
        self.write(entries).unwrap_err().to_string()
    }
}

/// Roots that hold files already: written by an earlier writer, or in a layer below.
fn roots(files: &[(Entry, Vec<u8>)]) -> Vec<Root> {
    let mut roots = Vec::new();
    for name in ["plain", "over a layer"] {
        let Some(ground) = Ground::new() else { break };
        let mut root = Root {
            path: ground.root(),
            ground,
            below: None,
            name,
        };
        if name == "plain" {
            root.write(files).unwrap();
        } else {
            let [below, above, upper, work] = ["below", "above", "upper", "work"].map(|name| {
                let path = root.ground.root().join(name);
                fs::create_dir(&path).unwrap();
                path
            });
            root.path.clone_from(&below);
            root.write(files).unwrap();
            if overlay(std::slice::from_ref(&below), &upper, &work, "trusted").is_none() {
                break;
            }
            (root.path, root.below) = (above, Some(below));
        }
        roots.push(root);
    }
    roots
}

#[test]
fn entries_arrive_as_they_were_given() {
    let with = |(entry, content): (Entry, Vec<u8>), mode, uid, gid| {
        let entry = Entry {
            mode,
            uid,
            gid,
            ..entry
        };
        (entry, content)
    };
    for root in roots(&[]) {
        let device = EntryKind::CharacterDevice { major: 1, minor: 3 };
        let entries = [
            with(directory("t"), 0o3750, 7, 8),
            with(file("t/file", "content"), 0o4711, 1000, 3_000_000_000),
            file("t/empty", ""),
            with(link("t/link", "some/where"), 0o777, 4, 5),
            link("t/absolute", "/etc/passwd"),
            hard_link("t/hard", "t/file"),
            hard_link("t/linked", "t/link"),
            with((entry("t/fifo", EntryKind::Fifo), Vec::new()), 0o666, 1, 2),
            with((entry("t/null", device), Vec::new()), 0o666, 3, 4),
            with(directory("t/deep"), 0, 0, 0),
            file("t/deep/x", "1"),
        ];
        root.write(&entries).unwrap();
        let expected = [
            "t/",
            "t/absolute>/etc/passwd",
            "t/deep/",
            "t/deep/x=1",
            "t/empty=",
            "t/fifo|",
            "t/file=content",
            "t/hard=content",
            "t/link>some/where",
            "t/linked>some/where",
            "t/null:1:3",
        ];
        assert_eq!(root.tree(), expected, "{}", root.name);
        let said = ["t", "t/file", "t/link", "t/fifo", "t/null", "t/deep"].map(|at| root.said(at));
        let expected = [
            "3750 7:8 1600000000",
            "4711 1000:3000000000 1600000000",
            "777 4:5 1600000000",
            "666 1:2 1600000000",
            "666 3:4 1600000000",
            "0 0:0 1600000000",
        ];
        assert_eq!(said, expected, "{}", root.name);
        assert_eq!(root.inode("t/file"), root.inode("t/hard"));
        root.ground.check(root.name);
    }
}

#[test]
fn files_are_put_over_those_below() {
    let below = [
        directory("d"),
        file("d/a", "old"),
        hard_link("d/kept", "d/a"),
        file("d/b", "kept"),
        link("d/l", "b"),
        file("d/f", "old"),
        file("d/h", "old"),
    ];
    for root in roots(&below) {
        let above = [
            directory("d"),
            file("d/a", "new"),
            file("d/l", "no link"),
            link("d/f", "b"),
            hard_link("d/h", "d/a"),
            file("d/a", "newest"),
        ];
        root.write(&above).unwrap();
        let expected = [
            "d/",
            "d/a=newest",
            "d/b=kept",
            "d/f>b",
            "d/h=new",
            "d/kept=old",
            "d/l=no link",
        ];
        assert_eq!(root.tree(), expected, "{}", root.name);
    }
}

#[test]
fn directories_that_are_there_stay_as_they_are() {
    let (mut tmp, none) = directory("tmp");
    (tmp.mode, tmp.uid, tmp.gid) = (0o1777, 3, 4);
    for root in roots(&[(tmp, none), file("tmp/old", "1")]) {
        root.write(&[directory("tmp"), directory("tmp"), file("tmp/x", "2")])
            .unwrap();
        assert_eq!(root.tree(), ["tmp/", "tmp/old=1", "tmp/x=2"]);
        assert!(root.said("tmp").starts_with("1777 3:4 "), "{}", root.name);
    }
}

#[test]
fn a_directory_that_is_a_link_is_followed_inside_the_root() {
    let below = [
        directory("usr"),
        directory("usr/bin"),
        link("bin", "usr/bin"),
        link("lib", "/usr/bin"),
        link("up", "../../usr/bin"),
    ];
    for root in roots(&below) {
        let above = [
            directory("bin"),
            file("bin/tool", "1"),
            hard_link("bin/same", "bin/tool"),
            directory("bin/more"),
            file("bin/more/x", "2"),
            file("lib/absolute", "3"),
            file("up/above", "4"),
        ];
        root.write(&above).unwrap();
        let expected = [
            "bin>usr/bin",
            "lib>/usr/bin",
            "up>../../usr/bin",
            "usr/",
            "usr/bin/",
            "usr/bin/above=4",
            "usr/bin/absolute=3",
            "usr/bin/more/",
            "usr/bin/more/x=2",
            "usr/bin/same=1",
            "usr/bin/tool=1",
        ];
        assert_eq!(root.tree(), expected, "{}", root.name);
        assert_eq!(root.said("usr/bin/more"), "755 0:0 1600000000");
    }
}

#[test]
fn nothing_but_a_directory_is_put_over_a_directory() {
    for root in roots(&[directory("etc"), file("etc/x", "1"), file("f", "1")]) {
        let device = EntryKind::CharacterDevice { major: 1, minor: 3 };
        for over in [
            file("etc", ""),
            link("etc", "x"),
            hard_link("etc", "f"),
            (entry("etc", EntryKind::Fifo), Vec::new()),
            (entry("etc", device), Vec::new()),
        ] {
            let error = root.error(&[over]);
            assert!(
                error.contains("`etc`: it is a directory in the image"),
                "{error}"
            );
        }
        assert_eq!(root.tree(), ["etc/", "etc/x=1", "f=1"], "{}", root.name);
    }
}

#[test]
fn a_directory_where_something_else_is_says_so() {
    for root in roots(&[file("etc", "1"), link("nowhere", "missing")]) {
        for (entries, path) in [
            ([directory("etc")], "etc"),
            ([file("etc/x", "")], "etc"),
            ([directory("nowhere")], "nowhere"),
            ([file("nowhere/x", "")], "nowhere"),
            ([file("missing/x", "")], "missing"),
        ] {
            let expected = format!("`/{path}` in the image is not a directory");
            let error = root.error(&entries);
            assert!(error.contains(&expected), "{error}");
        }
        assert_eq!(root.tree(), ["etc=1", "nowhere>missing"], "{}", root.name);
    }
}

#[test]
fn content_of_another_length_is_an_error_with_the_path() {
    for root in roots(&[]) {
        for (given, text) in [("12345", "shrank"), ("12345678901", "grew")] {
            let entry = entry("log", EntryKind::File { size: 10 });
            let error = root.error(&[(entry, given.into())]);
            assert!(error.contains("`log`") && error.contains(text), "{error}");
        }
    }
}

#[test]
fn what_reading_fails_with_is_told() {
    struct Burning;
    impl Read for Burning {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    for root in roots(&[]) {
        let mut writer = root.writer().unwrap();
        let entry = entry("half", EntryKind::File { size: 10 });
        let error = writer.add(&entry, &mut Burning).unwrap_err().to_string();
        assert_eq!(error, "`half`: the disk is on fire");
    }
}

#[test]
fn no_path_leads_outside() {
    let Some(ground) = Ground::new() else { return };
    let beside = ground.beside();
    let outside = beside.to_str().unwrap();
    for mut root in roots(&[]) {
        root.write(&[
            link("out", outside),
            link("file", &format!("{outside}/file")),
        ])
        .unwrap();
        for refused in [
            file("../out", ""),
            file("/out", ""),
            file("", ""),
            file(".", ""),
            directory(".."),
            file("a/../../out", ""),
            file("out/file", ""),
            directory("out"),
            directory("out/new"),
            hard_link("h", "../beside/file"),
            hard_link("h", "out/file"),
            hard_link("h", &format!("{outside}/file")),
            hard_link("h", "missing"),
        ] {
            let path = format!("`{}`", refused.0.path.display());
            let error = root.error(&[refused]);
            assert!(error.starts_with(&path), "{error}");
        }
        root.write(&[file("file", "new")]).unwrap();
        assert_eq!(
            root.tree(),
            ["file=new".to_owned(), format!("out>{outside}")]
        );
        ground.check(root.name);
        root.name = "";
    }
}

#[test]
fn more_directories_than_may_be_open_are_written() {
    for root in roots(&[]) {
        let mut entries = vec![directory("d")];
        for number in 0..1100 {
            entries.push(directory(&format!("d/{number}")));
            entries.push(file(&format!("d/{number}/x"), "1"));
        }
        for number in 0..1100 {
            entries.push(file(&format!("d/{number}/y"), "2"));
        }
        root.write(&entries).unwrap();
        assert_eq!(root.tree().len(), 3301, "{}", root.name);
        assert_eq!(root.said("d/1034"), "755 0:0 1600000000");
    }
}
