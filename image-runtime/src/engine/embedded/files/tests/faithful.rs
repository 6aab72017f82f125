//! Everything that an archive says of a file arrives.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::super::form::Form;
use super::super::unpack;
use super::archive::Tar;
use super::{Ground, tree};

fn unpacked(archive: Tar) -> Option<Ground> {
    let ground = Ground::new()?;
    unpack(archive.end().as_slice(), ground.open().as_fd(), Form::Root).unwrap();
    ground.check("");
    Some(ground)
}

/// Mode, owner and time to the nanosecond.
fn said(path: &Path) -> String {
    let found = fs::symlink_metadata(path).unwrap();
    let (mode, uid, gid) = (found.mode() & 0o7777, found.uid(), found.gid());
    format!(
        "{mode:o} {uid}:{gid} {}.{}",
        found.mtime(),
        found.mtime_nsec()
    )
}

#[test]
fn modes_owners_and_times_of_all_kinds_arrive() {
    let with = |tar: Tar, kind, name, link, mode, uid, time| {
        tar.entry(kind, name, link, b"", |header| {
            header.set_mode(mode);
            header.set_uid(uid);
            header.set_gid(8);
            header.set_mtime(time);
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        })
    };
    let mut tar = with(Tar::new(), b'5', "./", "", 0o751, 5, 50);
    tar = with(tar, b'5', "d/", "", 0o3777, 7, 100);
    tar = with(tar, b'0', "d/set-uid", "", 0o6755, 3_000_000_000, 101);
    tar = with(tar, b'0', "d/closed", "", 0, 0, 102);
    tar = with(tar, b'2', "d/link", "../x", 0o777, 9, 103);
    tar = with(tar, b'6', "d/fifo", "", 0o622, 1, 104);
    tar = with(tar, b'3', "d/null", "", 0o666, 2, 105);
    tar = with(tar, b'4', "d/disk", "", 0o660, 3, 106);
    tar = with(tar, b'\0', "old/", "", 0o700, 4, 107);
    tar = with(tar, b'7', "whole", "", 0o644, 4, u64::MAX - 9);
    tar = tar.pax(&[("mtime", b"-1.25"), ("uid", b"2500000")]);
    tar = with(tar, b'0', "early", "", 0o644, 0, 0);
    let Some(ground) = unpacked(tar) else { return };
    let expected = [
        ("", "751 5:8 50.0"),
        ("d", "3777 7:8 100.0"),
        ("d/set-uid", "6755 3000000000:8 101.0"),
        ("d/closed", "0 0:8 102.0"),
        ("d/link", "777 9:8 103.0"),
        ("d/fifo", "622 1:8 104.0"),
        ("d/null", "666 2:8 105.0"),
        ("d/disk", "660 3:8 106.0"),
        ("old", "700 4:8 107.0"),
        ("whole", "644 4:8 -10.0"),
        ("early", "644 2500000:8 -2.750000000"),
    ];
    for (path, expected) in expected {
        assert_eq!(said(&ground.root().join(path)), expected, "{path}");
    }
    let lines = tree(&ground.root());
    assert!(lines.contains(&"d/null:1:3".to_owned()), "{lines:?}");
    let disk = fs::metadata(ground.root().join("d/disk")).unwrap();
    assert_eq!(disk.mode() & 0o170_000, 0o060_000, "a block device");
}

#[test]
fn long_names_of_both_kinds_arrive() {
    let (long, target) = ("n".repeat(200), "t".repeat(3000));
    let tar = Tar::new()
        .file(&format!("d/{long}"), "gnu")
        .link("gnu", &target)
        .pax(&[
            ("path", format!("p/{long}").as_bytes()),
            ("SCHILY.xattr.user.x", b"1"),
        ])
        .file("short", "pax")
        .pax(&[("linkpath", target.as_bytes())])
        .link("pax", "short")
        .pax(&[("linkpath", format!("p/{long}").as_bytes())])
        .hard_link("hard", "short")
        .entry(b'g', "pax_global_header", "", b"17 comment=abcde\n", |_| {})
        .file("umlaut \u{e4}\u{1f980}", "crab");
    let Some(ground) = unpacked(tar) else { return };
    let expected = [
        "d/".to_owned(),
        format!("d/{long}=gnu"),
        format!("gnu>{target}"),
        "hard=pax".to_owned(),
        "p/".to_owned(),
        format!("p/{long}=pax"),
        format!("pax>{target}"),
        "umlaut \u{e4}\u{1f980}=crab".to_owned(),
    ];
    assert_eq!(tree(&ground.root()), expected);
    let inode = |path: &str| fs::metadata(ground.root().join(path)).unwrap().ino();
    assert_eq!(inode("hard"), inode(&format!("p/{long}")));
}

#[test]
fn a_later_entry_of_a_name_takes_the_place_of_an_earlier() {
    let tar = Tar::new()
        .file("f", "1")
        .hard_link("other", "f")
        .file("f", "2")
        .file("d/deep/er/x", "1")
        .link("d/deep/out", "/")
        .file("d", "no directory")
        .file("e", "no directory")
        .directory("e")
        .file("e/x", "1")
        .entry(b'5', "e", "", b"", |header| header.set_mode(0o700));
    let Some(ground) = unpacked(tar) else { return };
    let expected = ["d=no directory", "e/", "e/x=1", "f=2", "other=1"];
    assert_eq!(tree(&ground.root()), expected);
    assert_eq!(said(&ground.root().join("e")), "700 0:0 1600000000.0");
}

#[test]
fn directories_that_the_archive_leaves_out_are_made() {
    let tar = Tar::new()
        .file("a/b/c", "1")
        .entry(b'5', "a", "", b"", |header| header.set_mode(0o711));
    let Some(ground) = unpacked(tar) else { return };
    assert_eq!(tree(&ground.root()), ["a/", "a/b/", "a/b/c=1"]);
    assert_eq!(said(&ground.root().join("a")), "711 0:0 1600000000.0");
    assert_eq!(said(&ground.root().join("a/b")), "755 0:0 0.0");
}

#[test]
fn attributes_arrive_but_never_those_of_overlayfs() {
    // Two of its bytes are line ends.
    let capability = b"\x01\0\0\x02\x0a\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0";
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.security.capability", capability),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.x", b"1"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.x", b"1"),
        ("SCHILY.xattr.user.y", b""),
        ("size", b"2"),
    ];
    let tar = Tar::new()
        .pax(records)
        .entry(b'0', "f", "", b"12", |header| header.set_size(0))
        .pax(records)
        .directory("d")
        .pax(records)
        .link("l", "f");
    let Some(ground) = unpacked(tar) else { return };
    assert_eq!(tree(&ground.root()), ["d/", "f=12", "l>f"]);
    let list = |path: &str| {
        let mut names = vec![0; 4096];
        let path = ground.root().join(path);
        let length = rustix::fs::llistxattr(&path, &mut names).unwrap();
        names.truncate(length);
        let mut names: Vec<_> = names
            .split(|byte| *byte == 0)
            .map(|name| String::from_utf8(name.to_owned()).unwrap())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort();
        names
    };
    assert_eq!(list("f"), ["security.capability", "user.x", "user.y"]);
    assert_eq!(list("d"), ["security.capability", "user.x", "user.y"]);
    assert_eq!(list("l"), [""; 0]);
    let mut value = [0; 64];
    let path = ground.root().join("f");
    let length = rustix::fs::getxattr(&path, "security.capability", &mut value).unwrap();
    assert_eq!(&value[..length], capability);
}

#[test]
fn the_stream_is_read_to_its_end() {
    let Some(ground) = Ground::new() else { return };
    let mut archive = Tar::new().file("f", "1").end();
    archive.resize(archive.len() + 300_000, b'x');
    let mut stream = archive.as_slice();
    unpack(&mut stream, ground.open().as_fd(), Form::Root).unwrap();
    assert!(stream.is_empty());
}
