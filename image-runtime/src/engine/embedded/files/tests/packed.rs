//! What is packed is all of a layer, the same every time, and comes out of [`unpack`] as it was.

use std::collections::HashMap;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{XattrFlags, setxattr};

use super::super::super::form::Form;
use super::super::{pack, unpack};
use super::archive::Tar;
use super::{Ground, walk};

const FORMS: [Form; 3] = [Form::Root, Form::Range, Form::User];

fn packed(root: &Path, form: Form) -> std::io::Result<(Vec<u8>, u64)> {
    let mut bytes = Vec::new();
    let newest = pack(fs::File::open(root)?.as_fd(), form, &mut bytes)?;
    Ok((bytes, newest))
}

/// All that a layer holds, one file a line, the root first.
fn all(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut names: HashMap<u64, String> = HashMap::new();
    let mut note = |path: &str, line: &str| {
        let at = root.join(path);
        let found = fs::symlink_metadata(&at).unwrap();
        let same_as = match found.is_dir() {
            true => String::new(),
            false => names.entry(found.ino()).or_insert(path.to_owned()).clone(),
        };
        let mut attributes = Vec::new();
        if found.is_file() || found.is_dir() {
            let mut buffer = [0; 1024];
            let length = rustix::fs::listxattr(&at, &mut buffer[..]).unwrap();
            for name in buffer[..length].split(|byte| *byte == 0) {
                let name = str::from_utf8(name).unwrap().to_owned();
                if !name.is_empty() {
                    let mut value = [0; 256];
                    let length = rustix::fs::getxattr(&at, &*name, &mut value[..]).unwrap();
                    attributes.push((name, value[..length].to_vec()));
                }
            }
            attributes.sort();
        }
        let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
        // What hides a file is made anew.
        let is_hiding = line == ":0:0";
        let time = if is_hiding { 0 } else { found.mtime() };
        lines.push(format!(
            "{path}{line} {mode:o} {uid}:{gid} {time} {same_as} {attributes:?}"
        ));
    };
    note("", "/");
    walk(root, "", &mut note);
    lines
}

/// A layer with everything that a layer can have.
fn everything() -> Tar {
    let long = "n".repeat(200);
    let deep = format!("{}/{long}", "deep/".repeat(30));
    let with = |tar: Tar, kind, name: &str, link: &str, mode, uid, time| {
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
    tar = with(tar, b'5', "shut/", "", 0, 0, 102);
    tar = with(tar, b'0', "shut/in", "", 0o200, 0, 102);
    tar = with(tar, b'2', "d/link", "../x", 0o777, 9, 103);
    tar = with(tar, b'2', "d/far", &long, 0o777, 9, 103);
    tar = with(tar, b'6', "d/fifo", "", 0o622, 1, 104);
    tar = with(tar, b'3', "d/null", "", 0o666, 2, 105);
    tar = with(tar, b'4', "d/disk", "", 0o660, 3, 106);
    tar = tar.pax(&[("mtime", b"-1.25"), ("uid", b"2500000")]);
    tar = with(tar, b'0', "early", "", 0o644, 0, 0);
    tar = tar.pax(&[
        ("SCHILY.xattr.user.b", b"a\nb"),
        ("SCHILY.xattr.user.a", b""),
        (
            "SCHILY.xattr.security.capability",
            b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
    ]);
    tar.file("able", "1")
        .pax(&[("SCHILY.xattr.user.of-directory", b"x")])
        .directory("told/")
        .file(&deep, "deep down")
        .file("é \n\u{1b}[1m", "strange")
        .file("m/first", "one file")
        .hard_link("a-second", "m/first")
        .hard_link("z/third", "m/first")
        .hard_link("d/link-again", "d/link")
        .hard_link("far", &deep)
        .file("block", &"x".repeat(512))
        .file("more", &"y".repeat(200_000))
        .file("gone/.wh.file", "")
        .file("gone/.wh.other", "")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "")
        .file(".wh.away", "")
}

#[test]
fn every_kind_of_file_comes_back_as_it_was() {
    for form in FORMS {
        let (Some(first), Some(second)) = (Ground::new(), Ground::new()) else {
            return;
        };
        unpack(everything().end().as_slice(), first.open().as_fd(), form).unwrap();
        let (bytes, newest) = packed(&first.root(), form).unwrap();
        unpack(bytes.as_slice(), second.open().as_fd(), form).unwrap();
        let (expected, back) = (all(&first.root()), all(&second.root()));
        assert!(expected.len() > 50, "{}", expected.len());
        for (back, expected) in back.iter().zip(&expected) {
            assert_eq!(back, expected, "{form:?}");
        }
        assert_eq!(back.len(), expected.len());
        assert_eq!(newest, 1_600_000_000);
        if form == Form::User {
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !text.contains("uid="),
                "an ordinary user has root's files only"
            );
        }
        // Neither the order in a directory nor fractions of seconds nor the machine's clock are in it.
        assert!(packed(&second.root(), form).unwrap().0 == bytes);
        second.check("");
    }
}

#[test]
fn the_form_of_whiteouts_on_the_disk_is_not_seen_in_the_archive() {
    let archives = FORMS.map(|form| {
        let ground = Ground::new()?;
        let layer = Tar::new()
            .directory("./")
            .file("gone/.wh.file", "")
            .file("opaque/.wh..wh..opq", "")
            .file("opaque/new", "");
        unpack(layer.end().as_slice(), ground.open().as_fd(), form).unwrap();
        Some(packed(&ground.root(), form).unwrap().0)
    });
    let [Some(root), Some(range), Some(user)] = archives else {
        return;
    };
    assert!(root == range && root == user);
    assert!(!root.windows(8).any(|part| part == b".overlay"));
}

#[test]
fn other_readers_see_the_same() {
    let Some(ground) = Ground::new() else { return };
    let form = Form::Root;
    unpack(everything().end().as_slice(), ground.open().as_fd(), form).unwrap();
    let (bytes, _) = packed(&ground.root(), form).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let link = entry.link_name().unwrap();
        let link = link.map_or(String::new(), |link| format!(">{}", link.display()));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        let kind = char::from(entry.header().entry_type().as_byte());
        format!("{kind} {path}{link} {}", text.len())
    });
    let entries: Vec<_> = entries.collect();
    let deep = format!("{}{}", "deep/".repeat(30), "n".repeat(200));
    for expected in [
        "5 ./ 0".to_owned(),
        "0 a-second 8".to_owned(),
        "1 m/first>a-second 0".to_owned(),
        "1 z/third>a-second 0".to_owned(),
        "1 d/link-again>d/link 0".to_owned(),
        format!("0 {deep} 9"),
        format!("1 far>{deep} 0"),
        format!("2 d/far>{} 0", "n".repeat(200)),
        "0 gone/.wh.file 0".to_owned(),
        "0 opaque/.wh..wh..opq 0".to_owned(),
        "0 .wh.away 0".to_owned(),
        "0 more 200000".to_owned(),
    ] {
        assert!(
            entries.contains(&expected),
            "{expected} is not in {entries:#?}"
        );
    }
}

#[test]
fn what_an_ordinary_user_has_is_roots() {
    let Some(ground) = Ground::new() else { return };
    let file = ground.root().join("file");
    fs::write(&file, "").unwrap();
    std::os::unix::fs::chown(&file, Some(1000), Some(1000)).unwrap();
    let owner = |form| {
        let (bytes, _) = packed(&ground.root(), form).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().unwrap().last().unwrap().unwrap();
        let header = entry.header();
        (header.uid().unwrap(), header.gid().unwrap())
    };
    assert_eq!(owner(Form::User), (0, 0));
    assert_eq!(owner(Form::Root), (1000, 1000));
}

#[test]
fn sockets_and_foreign_attributes_stay() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.root();
    fs::write(root.join("file"), "").unwrap();
    let (before, _) = packed(&root, Form::Root).unwrap();
    let times = fs::metadata(&root).unwrap().modified().unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    ground.open().set_modified(times).unwrap();
    for name in [
        "trusted.mine",
        "trusted.overlay.origin",
        "user.overlay.impure",
    ] {
        setxattr(root.join("file"), name, b"y", XattrFlags::empty()).unwrap();
    }
    assert!(packed(&root, Form::Root).unwrap().0 == before);
}

#[test]
fn what_an_archive_cannot_tell_is_an_error() {
    let said = |make: &dyn Fn(&Path)| {
        let ground = Ground::new()?;
        make(&ground.root());
        Some(packed(&ground.root(), Form::Root).unwrap_err().to_string())
    };
    let redirected = |root: &Path| {
        fs::create_dir(root.join("d")).unwrap();
        let name = "trusted.overlay.redirect";
        setxattr(root.join("d"), name, b"/old", XattrFlags::empty()).unwrap();
    };
    let Some(error) = said(&redirected) else {
        return;
    };
    assert!(
        error.starts_with("`/d`: overlayfs left the attribute"),
        "{error}"
    );
    let named = |root: &Path| symlink("x", root.join(".wh.x")).unwrap();
    let error = said(&named).unwrap();
    assert!(error.starts_with("`/.wh.x`: its name begins"), "{error}");
}
