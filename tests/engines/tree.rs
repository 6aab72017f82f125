//! Trees of files to put into layers.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image_runtime::engine::{Entry, EntryKind, FileSink, FileSource};
use image_runtime::worker::bundle::Bundle;

/// A tree that is held in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(pub(crate) Vec<Item>);

/// An entry and its content.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) content: Vec<u8>,
}

impl Item {
    fn new(path: &str, kind: EntryKind, mode: u32) -> Self {
        let entry = Entry {
            path: path.into(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1_600_000_000,
        };
        Self {
            entry,
            content: Vec::new(),
        }
    }

    pub(crate) fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.entry.uid, self.entry.gid) = (uid, gid);
        self
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.entry.mode = mode;
        self
    }
}

pub(crate) fn directory(path: &str) -> Item {
    Item::new(path, EntryKind::Directory, 0o755)
}

pub(crate) fn file(path: &str, content: impl Into<Vec<u8>>) -> Item {
    let content = content.into();
    let kind = EntryKind::File {
        size: content.len() as u64,
    };
    Item {
        content,
        ..Item::new(path, kind, 0o644)
    }
}

pub(crate) fn link(path: &str, target: &str) -> Item {
    Item::new(
        path,
        EntryKind::Symlink {
            target: target.into(),
        },
        0o777,
    )
}

pub(crate) fn hard_link(path: &str, target: &str) -> Item {
    Item::new(
        path,
        EntryKind::HardLink {
            target: target.into(),
        },
        0o644,
    )
}

pub(crate) fn fifo(path: &str) -> Item {
    Item::new(path, EntryKind::Fifo, 0o600)
}

impl FileSource for Tree {
    fn entries(&self) -> Option<Vec<Entry>> {
        Some(self.0.iter().map(|item| item.entry.clone()).collect())
    }

    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|item| sink.add(&item.entry, &mut Cursor::new(&item.content)))
    }
}

/// A tree whose walk is any function.
pub(crate) struct Walk<F>(pub(crate) F);

impl<F: FnOnce(&mut dyn FileSink) -> io::Result<()> + Send> FileSource for Walk<F> {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        (self.0)(sink)
    }
}

/// Programs of this machine that the root file system of the suite has.
const PROGRAMS: [&str; 19] = [
    "sh", "cat", "ls", "stat", "id", "env", "sleep", "readlink", "mkdir", "head", "tail", "rm",
    "chmod", "chown", "mknod", "mount", "mv", "od", "unshare",
];

/// Where programs of this architecture expect their loader.
#[cfg(target_arch = "x86_64")]
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "lib/ld-linux-aarch64.so.1";

/// A small root file system: a shell and a few programs with their libraries. `/bin` is a link, as in Debian.
pub(crate) fn small_system() -> Tree {
    let store = tempfile::tempdir().unwrap();
    let mut items = vec![
        directory("usr"),
        directory("usr/bin"),
        directory("lib"),
        directory("lib64"),
        directory("etc"),
        directory("tmp").mode(0o1777),
        directory("root").mode(0o700),
        link("bin", "usr/bin"),
        file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n",
        ),
        file("etc/group", "root:x:0:\nuser:x:1000:\n"),
    ];
    let mut put = |path: String, source: &Path| {
        if items.iter().all(|item| item.entry.path != Path::new(&path)) {
            items.push(file(&path, fs::read(source).unwrap()).mode(0o755));
        }
    };
    for program in PROGRAMS {
        let path = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(program));
        let path = path.iter().find(|path| path.exists()).unwrap();
        let bundle = Bundle::of_executable(path, store.path()).unwrap();
        put(
            format!("usr/bin/{program}"),
            &bundle.directory().join("worker"),
        );
        put(LOADER.to_owned(), &bundle.directory().join("ld.so"));
        for library in fs::read_dir(bundle.directory().join("lib")).unwrap() {
            let library = library.unwrap();
            put(
                format!("lib/{}", library.file_name().to_str().unwrap()),
                &library.path(),
            );
        }
    }
    Tree(items)
}
