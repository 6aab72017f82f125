//! Archives that try to reach what lies outside, or that are broken: confined or refused, each of them.

use std::os::fd::AsFd as _;

use super::super::super::form::Form;
use super::super::unpack;
use super::archive::Tar;
use super::{Ground, tree};

/// What must happen.
enum Must {
    /// An error with this in its text, and with the path of the entry.
    Fail(&'static str, &'static str),
    /// These files, as [`tree`] shows them.
    Make(&'static [&'static str]),
    /// Anything inside.
    Stay,
}
use Must::{Fail, Make, Stay};

type Case = (&'static str, fn(&str) -> Tar, Must);

/// The archives; they are given the path of a directory outside that holds `file` and `directory`.
const CASES: &[Case] = &[
    (
        "a path with `..`",
        |_| Tar::new().file("../out", "x"),
        Fail("`../out`", "could leave the root"),
    ),
    (
        "a path with `..` within",
        |_| Tar::new().directory("a").file("a/../../out", "x"),
        Fail("`a/../../out`", "could leave the root"),
    ),
    (
        "a PAX path with `..`",
        |_| {
            Tar::new()
                .pax(&[("path", b"../beside/file")])
                .file("a", "x")
        },
        Fail("`../beside/file`", "could leave the root"),
    ),
    (
        "a long path with `..`",
        |_| Tar::new().file(&format!("{}../out", "./".repeat(60)), "x"),
        Fail("../out", "could leave the root"),
    ),
    (
        "an absolute path",
        |_| Tar::new().file("/a/file", "x"),
        Make(&["a/", "a/file=x"]),
    ),
    (
        "an absolute path of a file outside",
        |beside| Tar::new().file(&format!("{beside}/file"), "x"),
        Stay,
    ),
    (
        "a file without a name",
        |_| Tar::new().file("", "x"),
        Fail("``", "it has no name"),
    ),
    (
        "a file that would be the root",
        |_| Tar::new().file("./", "x"),
        Fail("`./`", "it has no name"),
    ),
    (
        "a link that would be the root",
        |beside| Tar::new().link(".", beside),
        Fail("`.`", "it has no name"),
    ),
    (
        "a name with NUL",
        |_| Tar::new().pax(&[("path", b"a\0b")]).file("a", "x"),
        Fail("`a\u{fffd}b`", "holds a NUL"),
    ),
    (
        "a name that a terminal obeys",
        |_| Tar::new().file("../\u{1b}[2J", "x"),
        Fail("`../\u{fffd}[2J`", "could leave"),
    ),
    (
        "a directory that is a link outside",
        |beside| Tar::new().link("l", beside).file("l/file", "x"),
        Fail("`l/file`", "`l` in the layer is not a directory"),
    ),
    (
        "a directory that is a relative link outside",
        |_| Tar::new().link("l", "../beside").file("l/file", "x"),
        Fail("`l/file`", "`l` in the layer is not a directory"),
    ),
    (
        "a directory that is a link by /proc",
        |beside| {
            Tar::new()
                .link("l", &format!("/proc/self/root{beside}"))
                .file("l/file", "x")
        },
        Fail("`l/file`", "not a directory"),
    ),
    (
        "a directory that is a link to the root",
        |_| Tar::new().link("l", "/").file("l/x", "1"),
        Make(&["l>/", "x=1"]),
    ),
    (
        "a directory that is a link above the root",
        |_| Tar::new().link("l", "../../../..").file("l/x", "1"),
        Make(&["l>../../../..", "x=1"]),
    ),
    (
        "a link to a link outside",
        |beside| {
            Tar::new()
                .link("a", beside)
                .link("b", "a")
                .file("b/new/x", "1")
        },
        Fail("`b/new/x`", "`b` in the layer is not a directory"),
    ),
    (
        "links in a circle",
        |_| Tar::new().link("a", "b").link("b", "a").file("a/x", "1"),
        Fail("`a/x`", "`a` in the layer is not a directory"),
    ),
    (
        "a file over a link outside",
        |beside| {
            Tar::new()
                .link("f", &format!("{beside}/file"))
                .file("f", "new")
        },
        Make(&["f=new"]),
    ),
    (
        "a directory over a link outside",
        |beside| {
            Tar::new()
                .link("d", &format!("{beside}/directory"))
                .entry(b'5', "d", "", b"", |header| header.set_mode(0o700))
                .file("d/x", "1")
        },
        Make(&["d/", "d/x=1"]),
    ),
    (
        "a fifo over a link outside",
        |beside| {
            Tar::new()
                .link("f", &format!("{beside}/file"))
                .entry(b'6', "f", "", b"", |header| header.set_mode(0o600))
        },
        Make(&["f|"]),
    ),
    (
        "a hard link outside",
        |_| Tar::new().hard_link("h", "../beside/file"),
        Fail("`h`", "`../beside/file` could leave the root"),
    ),
    (
        "an absolute hard link outside",
        |beside| Tar::new().hard_link("h", &format!("{beside}/file")),
        Fail("`h`", "did not come before it"),
    ),
    (
        "a hard link through a link outside",
        |beside| Tar::new().link("l", beside).hard_link("h", "l/file"),
        Fail("`h`", "did not come before it"),
    ),
    (
        "a hard link to a link outside",
        |_| {
            Tar::new()
                .link("l", "../beside/file")
                .hard_link("h", "l")
                .file("h", "new")
        },
        Make(&["h=new", "l>../beside/file"]),
    ),
    (
        "a hard link to a file of another layer",
        |_| Tar::new().hard_link("h", "etc/passwd"),
        Fail("`h`", "`etc/passwd`, which did not come before it"),
    ),
    (
        "a hard link to a removed file",
        |_| Tar::new().file(".wh.a", "").hard_link("h", "a"),
        Fail("`h`", "did not come before it"),
    ),
    (
        "a hard link to a directory",
        |_| Tar::new().directory("d").hard_link("h", "d"),
        Fail("`h`", "hard link to a directory"),
    ),
    (
        "a hard link to the root",
        |_| Tar::new().hard_link("h", "/"),
        Fail("`h`", "did not come before it"),
    ),
    (
        "a hard link to itself",
        |_| Tar::new().file("a", "1").hard_link("a", "./a"),
        Make(&["a=1"]),
    ),
    (
        "a hard link over the directory of its file",
        |_| Tar::new().file("d/f", "1").hard_link("d", "d/f"),
        Fail("`d`", "did not come before it"),
    ),
    (
        "a hard link with a size",
        |_| {
            Tar::new()
                .file("a", "1")
                .entry(b'1', "b", "a", b"", |header| header.set_size(700))
                .file("c", "2")
        },
        Make(&["a=1", "b=1", "c=2"]),
    ),
    (
        "a directory that becomes a link outside",
        |beside| {
            Tar::new()
                .file("a/x", "1")
                .link("a", beside)
                .file("a/file", "x")
        },
        Fail("`a/file`", "`a` in the layer is not a directory"),
    ),
    (
        "a directory that becomes a link inside",
        |_| {
            Tar::new()
                .file("a/x", "1")
                .directory("b")
                .link("a", "b")
                .file("a/x", "2")
        },
        Make(&["a>b", "b/", "b/x=2"]),
    ),
    (
        "a link that becomes another",
        |_| {
            Tar::new()
                .directory("a")
                .directory("b")
                .link("l", "a")
                .file("l/x", "1")
                .link("l", "b")
                .file("l/x", "2")
        },
        Make(&["a/", "a/x=1", "b/", "b/x=2", "l>b"]),
    ),
    (
        "a directory that is a file",
        |_| Tar::new().file("f", "1").file("f/x", "2"),
        Fail("`f/x`", "`f` in the layer is not a directory"),
    ),
    (
        "a directory with a time that becomes a link outside",
        |_| {
            Tar::new()
                .directory("a/d")
                .link("a", "../beside")
                .file("x", "")
        },
        Make(&["a>../beside", "x="]),
    ),
    (
        "a removal of nothing",
        |_| Tar::new().file(".wh.", ""),
        Fail("`.wh.`", "removes no file"),
    ),
    (
        "a removal of the directory",
        |_| Tar::new().directory("d").file("d/.wh..", ""),
        Fail("`d/.wh..`", "removes no file"),
    ),
    (
        "a removal of the directory above",
        |_| Tar::new().directory("d").file("d/.wh...", ""),
        Fail("`d/.wh...`", "removes no file"),
    ),
    (
        "a removal with a `/`",
        |_| Tar::new().file(".wh.a/b", ""),
        Fail("`.wh.a/b`", "in a file that is removed"),
    ),
    (
        "a removal with `..`",
        |_| Tar::new().file(".wh.a/../../beside/file", ""),
        Fail("beside/file`", "could leave the root"),
    ),
    (
        "a removal outside",
        |beside| Tar::new().link("l", beside).file("l/.wh.file", ""),
        Fail("`l/.wh.file`", "not a directory"),
    ),
    (
        "a removal of all outside",
        |beside| Tar::new().link("l", beside).file("l/.wh..wh..opq", ""),
        Fail("`l/.wh..wh..opq`", "not a directory"),
    ),
    (
        "what AUFS keeps",
        |_| {
            Tar::new()
                .file(".wh..wh.aufs", "")
                .directory(".wh..wh.plnk")
                .file(".wh..wh.plnk/1.2", "x")
        },
        Make(&[]),
    ),
    (
        "a device that overlayfs takes for a removal",
        |_| Tar::new().entry(b'3', "w", "", b"", |_| {}),
        Make(&["w:0:0"]),
    ),
    (
        "a device with more bits than there are",
        |_| {
            Tar::new().entry(b'3', "w", "", b"", |header| {
                header.set_device_major(1 << 12).unwrap()
            })
        },
        Fail("`w`", "there is no device 4096:0"),
    ),
    (
        "an unknown kind",
        |_| Tar::new().entry(b'V', "v", "", b"", |_| {}),
        Fail("`v`", "of a kind that layers do not have"),
    ),
    (
        "a socket, as some tools write it",
        |_| Tar::new().entry(b's', "s", "", b"", |_| {}),
        Fail("`s`", "of a kind that layers do not have"),
    ),
    (
        "a sparse file of GNU",
        |_| {
            Tar::new().entry(b'S', "s", "", b"", |header| {
                header.as_gnu_mut().unwrap().set_real_size(1 << 60)
            })
        },
        Fail("`s`", "of a kind that layers do not have"),
    ),
    (
        "a sparse file of PAX",
        |_| Tar::new().pax(&[("GNU.sparse.major", b"1")]).file("s", "x"),
        Fail("`s`", "of a kind that layers do not have"),
    ),
    (
        "a link to nothing",
        |_| Tar::new().link("l", ""),
        Fail("`l`", "a link to nothing"),
    ),
    (
        "an owner that does not exist",
        |_| {
            Tar::new().entry(b'0', "f", "", b"", |header| {
                header.set_uid(u64::from(u32::MAX))
            })
        },
        Fail("`f`", "owner is out of range"),
    ),
    (
        "an owner of many bits",
        |_| Tar::new().pax(&[("gid", b"4294967296")]).file("f", ""),
        Fail("`f`", "owner is out of range"),
    ),
    (
        "a name that is too long",
        |_| Tar::new().file(&"n".repeat(256), ""),
        Fail("`nnnn", "File name too long"),
    ),
    (
        "a path that is too long",
        |_| Tar::new().file(&"n/".repeat(2100), ""),
        Fail("…`", "File name too long"),
    ),
    (
        "a name of megabytes",
        |_| Tar::new().file(&"n".repeat(2 << 20), ""),
        Fail("", "a name of more than 1048576 bytes"),
    ),
    (
        "more directories in one another than can be replaced",
        |_| Tar::new().directory(&"n/".repeat(250)).file("n", ""),
        Fail("`n`", "more than 200 directories in one another"),
    ),
    (
        "a file that is shorter than it says",
        |_| Tar::new().entry(b'0', "f", "", b"short", |header| header.set_size(5000)),
        Fail("`f`", "the archive is cut short"),
    ),
    (
        "a file of all bytes there are",
        |_| Tar::new().entry(b'0', "f", "", b"short", |header| header.set_size(u64::MAX)),
        Fail("`f`", "the archive is cut short"),
    ),
    (
        "a size of PAX that lies",
        |_| {
            Tar::new()
                .pax(&[("size", b"18446744073709551615")])
                .file("f", "x")
        },
        Fail("`f`", "the archive is cut short"),
    ),
    (
        "a PAX header that is broken",
        |_| {
            Tar::new()
                .entry(b'x', "x", "", b"99 path=x\n", |_| {})
                .file("f", "x")
        },
        Fail("", "a PAX header of the archive is broken"),
    ),
    (
        "a name without its file",
        |_| Tar::new().pax(&[("path", b"f")]),
        Fail("", "the archive is cut short"),
    ),
    (
        "a header with a number that is none",
        |_| {
            Tar::new().entry(b'0', "\u{1b}f", "", b"", |header| {
                header.as_gnu_mut().unwrap().uid.fill(b'x');
            })
        },
        Fail("`\u{fffd}f`: a number in its header is broken", ""),
    ),
    (
        "no archive",
        |_| Tar(vec![b'x'; 2048]),
        Fail("", "no tar archive"),
    ),
    (
        "half a header",
        |_| {
            let mut tar = Tar::new().file("f", "");
            tar.0.truncate(300);
            tar
        },
        Fail("", "the archive is cut short"),
    ),
];

#[test]
fn nothing_outside_the_root_is_touched_whatever_an_archive_says() {
    for form in [Form::Root, Form::Range, Form::User] {
        for (what, make, must) in CASES {
            let Some(ground) = Ground::new() else { return };
            let beside = ground.beside().to_str().unwrap().to_owned();
            let mut archive = make(&beside).0;
            // Those that are cut short would go on with the blocks of the end.
            if !matches!(must, Fail(_, text) if text.contains("cut short")) {
                archive.resize(archive.len() + 1024, 0);
            }
            let done = unpack(archive.as_slice(), ground.open().as_fd(), form);
            ground.check(what);
            match (must, done) {
                (Fail(path, text), Err(error)) => {
                    let error = error.to_string();
                    assert!(
                        error.contains(path) && error.contains(text),
                        "{what}: {error}"
                    );
                }
                (Make(expected), Ok(())) => {
                    assert_eq!(&tree(&ground.root()), expected, "{what}");
                }
                (Fail(..), Ok(())) => panic!("{what}: unpacked to {:?}", tree(&ground.root())),
                (Stay, Ok(())) => {}
                (Make(_) | Stay, Err(error)) => panic!("{what}: {error}"),
            }
        }
    }
}
