//! Trees of real files: what is found, what identifies it, what is read again, and what a sink is given.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use super::*;
use crate::engine::{Entry, EntryKind, FileSink};

/// A store, and a directory for the files.
struct Place {
    _root: tempfile::TempDir,
    store: Store,
    files: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let files = root.path().join("files");
        fs::create_dir(&files).unwrap();
        Self {
            store: Store::at(&root.path().join("store")).unwrap(),
            files,
            _root: root,
        }
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.files.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    fn tree(&self) -> Tree {
        Tree::directory(&self.store, &self.files, &[]).unwrap()
    }

    /// As if some seconds had passed, so that files just written count as settled.
    fn tree_later(&self) -> Tree {
        let later = SystemTime::now() + Duration::from_secs(10);
        Tree::directory_at(&self.store, &self.files, &[], later).unwrap()
    }

    fn error(&self) -> String {
        Tree::directory(&self.store, &self.files, &[])
            .unwrap_err()
            .to_string()
    }
}

/// Keeps what it is given.
#[derive(Default)]
struct Given {
    entries: Vec<Entry>,
    contents: Vec<String>,
    reads_to_the_end: bool,
}

impl FileSink for Given {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut text = String::new();
        match entry.kind {
            EntryKind::File { size } if !self.reads_to_the_end => {
                content.take(size).read_to_string(&mut text)?;
            }
            _ => {
                content.read_to_string(&mut text)?;
            }
        }
        self.entries.push(entry.clone());
        self.contents.push(text);
        Ok(())
    }
}

fn give(tree: &Tree, target: &str) -> Given {
    let mut given = Given::default();
    let source = tree.source(target);
    let told = source.entries().unwrap();
    source.walk(&mut given).unwrap();
    assert_eq!(told, given.entries);
    given
}

fn paths(given: &Given) -> Vec<&str> {
    given
        .entries
        .iter()
        .map(|entry| entry.path.to_str().unwrap())
        .collect()
}

fn names(tree: &Tree) -> Vec<String> {
    tree.nodes()
        .iter()
        .map(|node| node.path.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn the_encoding_of_a_tree_stays_what_it_is() {
    let nodes = [
        Node {
            path: "bin".into(),
            mode: 0o755,
            kind: NodeKind::Directory,
        },
        Node {
            path: "bin/run".into(),
            mode: 0o4755,
            kind: NodeKind::File {
                digest: Digest::of(b"#!/bin/sh\n"),
                size: 10,
            },
        },
        Node {
            path: "current".into(),
            mode: 0o777,
            kind: NodeKind::Symlink {
                target: "bin".into(),
            },
        },
    ];
    assert_eq!(
        digest(&nodes).to_string(),
        "b43df051ca1bcaad923958542810bcc25a379dbaa3bba41664b4f4dc7df2d244"
    );
    assert_eq!(
        digest(&[]).to_string(),
        "0dee476ebeb068c5093a8e483f4b191844d518d00ef9ed9c6be236ca613b9e2e"
    );
}

#[test]
fn a_directory_is_found_whole_and_sorted_by_name() {
    let place = Place::new();
    place.write("a/z", "1");
    place.write("a.txt", "2");
    place.write("a-b/c", "3");
    place.write(".hidden", "4");
    fs::create_dir(place.files.join("empty")).unwrap();
    symlink("/nowhere/at all", place.files.join("link")).unwrap();
    symlink("a", place.files.join("to-directory")).unwrap();
    fs::hard_link(place.files.join("a.txt"), place.files.join("hard")).unwrap();
    fs::write(place.files.join(OsStr::from_bytes(b"odd \xff\n name")), "5").unwrap();

    let tree = place.tree();
    let expected = [
        ".hidden",
        "a",
        "a/z",
        "a-b",
        "a-b/c",
        "a.txt",
        "empty",
        "hard",
        "link",
        "odd \u{fffd}\n name",
        "to-directory",
    ];
    assert_eq!(names(&tree), expected);
    let kind = |name: &str| {
        &tree
            .nodes()
            .iter()
            .find(|node| node.path == Path::new(name))
            .unwrap()
            .kind
    };
    assert_eq!(
        *kind("link"),
        NodeKind::Symlink {
            target: "/nowhere/at all".into()
        }
    );
    assert_eq!(
        *kind("to-directory"),
        NodeKind::Symlink { target: "a".into() }
    );
    assert_eq!(kind("hard"), kind("a.txt"));
    assert_eq!(*kind("empty"), NodeKind::Directory);
    let odd = &give(&tree, "/x").entries[10].path;
    assert_eq!(odd.as_os_str().as_bytes(), b"x/odd \xff\n name");
}

#[test]
fn content_mode_names_and_links_identify_a_tree_and_times_do_not() {
    let place = Place::new();
    place.write("file", "one");
    place.write("other", "");
    symlink("file", place.files.join("link")).unwrap();
    let first = *place.tree().digest();

    let file = fs::File::options()
        .write(true)
        .open(place.files.join("file"))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(*place.tree().digest(), first, "the time");

    let mut seen = vec![first];
    let mut changed = |what: &str, change: &dyn Fn(&Path)| {
        change(&place.files);
        let digest = *place.tree().digest();
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    changed("content", &|files| {
        fs::write(files.join("file"), "two").unwrap()
    });
    changed("mode", &|files| {
        fs::set_permissions(files.join("file"), Permissions::from_mode(0o755)).unwrap();
    });
    changed("name", &|files| {
        fs::rename(files.join("other"), files.join("another")).unwrap()
    });
    changed("link target", &|files| {
        fs::remove_file(files.join("link")).unwrap();
        symlink("another", files.join("link")).unwrap();
    });
    changed("empty directory", &|files| {
        fs::create_dir(files.join("empty")).unwrap()
    });
    changed("removal", &|files| {
        fs::remove_file(files.join("another")).unwrap()
    });
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let place = Place::new();
    for number in 0..50 {
        place.write(&format!("d{}/{number}", number % 7), &number.to_string());
    }
    let first = place.tree_later();
    assert_eq!(first.files_read(), 50);
    let second = place.tree_later();
    assert_eq!(second.files_read(), 0);
    assert_eq!(second.digest(), first.digest());

    place.write("d0/new", "new");
    fs::remove_file(place.files.join("d1/1")).unwrap();
    assert_eq!(place.tree_later().files_read(), 1);
    assert_eq!(place.tree_later().files_read(), 0);
}

#[test]
fn an_edit_that_keeps_size_and_modification_time_is_noticed() {
    let place = Place::new();
    place.write("file", "one");
    let first = place.tree_later();
    let path = place.files.join("file");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "two").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let second = place.tree_later();
    assert_eq!(second.files_read(), 1);
    assert_ne!(second.digest(), first.digest());
}

#[test]
fn a_file_written_a_moment_ago_is_read_again() {
    let place = Place::new();
    let now = SystemTime::now();
    place.write("file", "one");
    for _ in 0..2 {
        let tree = Tree::directory_at(&place.store, &place.files, &[], now).unwrap();
        assert_eq!(tree.files_read(), 1);
    }
}

#[test]
fn a_damaged_cache_is_replaced() {
    let place = Place::new();
    place.write("file", "one");
    let first = place.tree_later();
    let cache = fs::read_dir(place.store.trees().path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(cache.path(), "damage").unwrap();
    let second = place.tree_later();
    assert_eq!((second.files_read(), second.digest()), (1, first.digest()));
    assert_eq!(place.tree_later().files_read(), 0);
}

#[test]
fn many_large_files_are_hashed_as_few_small_ones() {
    let place = Place::new();
    let large = "x".repeat(1 << 20);
    for number in 0..8 {
        place.write(&format!("{number}"), &format!("{number}{large}"));
    }
    for (number, node) in place.tree().nodes().iter().enumerate() {
        let content = format!("{number}{large}");
        let expected = NodeKind::File {
            digest: Digest::of(content.as_bytes()),
            size: content.len() as u64,
        };
        assert_eq!(node.kind, expected, "{number}");
    }
}

#[test]
fn what_dockerignore_names_is_left_out() {
    let place = Place::new();
    place.write(
        ".dockerignore",
        "# build output\ntarget\n**/*.pyc\nsecret\n!secret/public/*.txt\n",
    );
    for name in [
        "target/x",
        "src/a.py",
        "src/a.pyc",
        "secret/key",
        "secret/public/a.txt",
        "secret/public/b",
    ] {
        place.write(name, "");
    }
    fs::create_dir(place.files.join("secret/deep")).unwrap();
    let ignored = Tree::directory(&place.store, &place.files, &["/src/*.py"]).unwrap();
    assert_eq!(
        names(&ignored),
        [
            ".dockerignore",
            "secret",
            "secret/public",
            "secret/public/a.txt",
            "src"
        ]
    );
    place.write(".dockerignore", "ok\n[a");
    let error = place.error();
    assert!(
        error.contains(".dockerignore` line 2: `[a` is no pattern"),
        "{error}"
    );
}

#[test]
fn sockets_and_pipes_are_refused_by_name_unless_ignored() {
    let place = Place::new();
    let _socket = std::os::unix::net::UnixListener::bind(place.files.join("sock")).unwrap();
    let error = place.error();
    assert!(
        error.contains("files/sock` is a socket") && error.contains("help: "),
        "{error}"
    );
    let tree = Tree::directory(&place.store, &place.files, &["sock"]).unwrap();
    assert!(tree.nodes().is_empty());

    assert!(
        std::process::Command::new("mkfifo")
            .arg(place.files.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    assert!(
        place.error().contains("files/pipe` is a named pipe"),
        "{}",
        place.error()
    );
}

#[test]
fn a_path_that_is_gone_or_of_the_wrong_kind_is_named() {
    let place = Place::new();
    place.write("file", "");
    let missing = Tree::file(&place.store, &place.files.join("none"))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("files/none` does not exist: it was there when this program was compiled"),
        "{missing}"
    );
    let file = Tree::directory(&place.store, &place.files.join("file"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        file.contains("must be a directory") && file.contains("copy_local_dir"),
        "{file}"
    );
    let directory = Tree::file(&place.store, &place.files)
        .unwrap_err()
        .to_string();
    assert!(
        directory.contains("must be a file") && directory.contains("copy_local_file"),
        "{directory}"
    );
}

#[test]
fn the_content_of_a_directory_goes_into_the_target() {
    let place = Place::new();
    place.write("a/b", "text");
    place.write("run", "#!/bin/sh");
    fs::set_permissions(place.files.join("run"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.files.join("a"), Permissions::from_mode(0o750)).unwrap();
    let tree = place.tree();
    for (target, expected) in [
        (
            "/opt/app",
            &["opt", "opt/app", "opt/app/a", "opt/app/a/b", "opt/app/run"][..],
        ),
        (
            "/opt/./x/../app/",
            &["opt", "opt/app", "opt/app/a", "opt/app/a/b", "opt/app/run"],
        ),
        ("/", &["a", "a/b", "run"]),
    ] {
        assert_eq!(paths(&give(&tree, target)), expected, "`{target}`");
    }
    let given = give(&tree, "/x");
    assert_eq!(given.contents, ["", "", "text", "#!/bin/sh"]);
    assert_eq!(
        given
            .entries
            .iter()
            .map(|entry| entry.mode)
            .collect::<Vec<_>>(),
        [0o755, 0o750, 0o644, 0o755]
    );
    for entry in &given.entries {
        assert_eq!((entry.uid, entry.gid, entry.mtime), (0, 0, 315_619_200));
    }
}

#[test]
fn an_empty_directory_makes_the_target_only() {
    let place = Place::new();
    let tree = place.tree();
    assert_eq!(paths(&give(&tree, "/opt/empty")), ["opt", "opt/empty"]);
    assert!(give(&tree, "/").entries.is_empty());
}

#[test]
fn a_file_becomes_the_target_or_goes_into_it() {
    let place = Place::new();
    place.write("config.yaml", "a: 1");
    symlink("config.yaml", place.files.join("link.yaml")).unwrap();
    for (source, target, expected) in [
        ("config.yaml", "/etc/app.yaml", &["etc", "etc/app.yaml"][..]),
        (
            "config.yaml",
            "/etc/app/",
            &["etc", "etc/app", "etc/app/config.yaml"],
        ),
        ("config.yaml", "/", &["config.yaml"]),
        ("config.yaml", "/top", &["top"]),
        ("link.yaml", "/etc/", &["etc", "etc/link.yaml"]),
    ] {
        let tree = Tree::file(&place.store, &place.files.join(source)).unwrap();
        let given = give(&tree, target);
        assert_eq!(paths(&given), expected, "`{source}` to `{target}`");
        let file = given.entries.last().unwrap();
        assert_eq!(file.kind, EntryKind::File { size: 4 });
        assert_eq!(given.contents.last().unwrap(), "a: 1");
    }
}

#[test]
fn a_file_that_changes_before_it_is_given_fails_the_walk() {
    for (change, said) in [
        ("two", "changed while it was copied"),
        ("longer than it was", "changed while it was copied"),
        ("", "changed while it was copied"),
        ("removed", "was removed while it was copied"),
        ("replaced by a link", "cannot read"),
        ("replaced by a pipe", "cannot read"),
    ] {
        let place = Place::new();
        place.write("file", "one");
        place.write("target", "one");
        let tree = place.tree();
        let path = place.files.join("file");
        if change.starts_with("re") {
            fs::remove_file(&path).unwrap();
        }
        match change {
            "removed" => {}
            "replaced by a link" => symlink("target", &path).unwrap(),
            "replaced by a pipe" => {
                assert!(
                    std::process::Command::new("mkfifo")
                        .arg(&path)
                        .status()
                        .unwrap()
                        .success()
                );
            }
            content => fs::write(&path, content).unwrap(),
        }
        for reads_to_the_end in [true, false] {
            let mut given = Given {
                reads_to_the_end,
                ..Given::default()
            };
            let error = tree.source("/x").walk(&mut given).unwrap_err().to_string();
            assert!(
                error.contains("files/file`") && error.contains(said),
                "{change}: {error}"
            );
        }
    }
}

#[test]
fn a_tree_deeper_than_any_stack_is_walked() {
    let place = Place::new();
    let deep: String = "d/".repeat(400);
    place.write(&format!("{deep}file"), "bottom");
    let tree = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn_scoped(scope, || place.tree())
            .unwrap()
            .join()
            .unwrap()
    });
    assert_eq!(tree.nodes().len(), 401);
}
