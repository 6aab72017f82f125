//! What a writer takes for there: layers seen through one another, in both forms, as an overlay of them shows it.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::super::super::form::Form;
use super::super::{Writer, unpack};
use super::archive::Tar;
use super::{Ground, overlay, path_of, tree};
use crate::engine::{Entry, EntryKind, FileSink as _};

fn entry(path: &str, kind: EntryKind) -> Entry {
    Entry {
        path: path.into(),
        kind,
        mode: 0o711,
        uid: 0,
        gid: 0,
        mtime: 1_600_000_000,
    }
}

fn file(path: &str) -> Entry {
    entry(path, EntryKind::File { size: 0 })
}

fn directory(path: &str) -> Entry {
    entry(path, EntryKind::Directory)
}

/// Writes entries over unpacked layers, the lowest first, and answers what is seen of all, or the error.
fn seen(form: Form, layers: &[Tar], entries: &[Entry]) -> Option<Result<Vec<String>, String>> {
    let ground = Ground::new()?;
    let mut below: Vec<PathBuf> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let path = ground.root().join(number.to_string());
        fs::create_dir(&path).unwrap();
        let root = fs::File::open(&path).unwrap();
        unpack(layer.clone().end().as_slice(), root.as_fd(), form).unwrap();
        below.insert(0, path);
    }
    let [above, upper, work] = ["above", "upper", "work"].map(|name| {
        let path = ground.root().join(name);
        fs::create_dir(&path).unwrap();
        path
    });
    let root = fs::File::open(&above).unwrap();
    let mut writer = Writer::new(root.as_fd(), below.clone(), form).unwrap();
    for entry in entries {
        if let Err(error) = writer.add(entry, &mut std::io::empty()) {
            return Some(Err(error.to_string()));
        }
    }
    writer.finish().unwrap();
    let attributes = match form {
        Form::Root => "trusted",
        Form::Range | Form::User => "user",
    };
    let mut all = below;
    all.insert(0, above);
    let mounted = overlay(&all, &upper, &work, attributes)?;
    Some(Ok(tree(&path_of(&mounted))))
}

fn check(layers: &[Tar], entries: &[Entry], expected: &[&str]) {
    for form in [Form::Root, Form::Range, Form::User] {
        match seen(form, layers, entries) {
            Some(seen) => assert_eq!(seen.unwrap(), expected, "{form:?}"),
            None => return,
        }
    }
}

fn refused(layers: &[Tar], refused: Entry, why: &str) {
    for form in [Form::Root, Form::Range, Form::User] {
        match seen(form, layers, std::slice::from_ref(&refused)) {
            Some(seen) => {
                let error = seen.unwrap_err();
                assert!(error.contains(why), "{form:?}: {error}");
            }
            None => return,
        }
    }
}

fn bottom() -> Tar {
    Tar::new()
        .file("d/a", "1")
        .file("d/sub/x", "1")
        .file("f", "1")
        .link("l", "d/sub")
}

#[test]
fn directories_of_several_layers_are_one() {
    let above = Tar::new().file("d/b", "2").file("d/sub/y", "2");
    let entries = [
        directory("d"),
        directory("d/sub"),
        file("d/sub/z"),
        file("l/w"),
    ];
    let expected = [
        "d/",
        "d/a=1",
        "d/b=2",
        "d/sub/",
        "d/sub/w=",
        "d/sub/x=1",
        "d/sub/y=2",
        "d/sub/z=",
        "f=1",
        "l>d/sub",
    ];
    check(&[bottom(), above], &entries, &expected);
}

#[test]
fn what_a_layer_hides_is_not_there() {
    let above = Tar::new()
        .directory("d")
        .file("d/.wh.sub", "")
        .file(".wh.f", "");
    let entries = [file("d/sub"), directory("f"), file("f/new")];
    let expected = ["d/", "d/a=1", "d/sub=", "f/", "f/new=", "l>d/sub"];
    check(&[bottom(), above.clone()], &entries, &expected);
    refused(
        &[bottom(), above],
        file("l/w"),
        "`/l` in the image is not a directory",
    );
}

#[test]
fn nothing_below_a_whole_directory_is_there() {
    let above = Tar::new()
        .directory("d")
        .file("d/.wh..wh..opq", "")
        .file("d/new", "2");
    let entries = [file("d/a"), directory("d/sub"), file("l/y")];
    let expected = [
        "d/", "d/a=", "d/new=2", "d/sub/", "d/sub/y=", "f=1", "l>d/sub",
    ];
    check(&[bottom(), above], &entries, &expected);
}

#[test]
fn a_file_over_a_directory_is_a_file_and_a_directory_over_a_file_is_one() {
    let above = Tar::new().file("d", "2").directory("f").file("f/x", "2");
    let expected = ["d=", "f/", "f/new=", "f/x=2", "l>d/sub"];
    check(
        &[bottom(), above.clone()],
        &[file("d"), file("f/new")],
        &expected,
    );
    refused(
        &[bottom(), above.clone()],
        file("d/a"),
        "`/d` in the image is not a directory",
    );
    refused(
        &[bottom(), above],
        file("f"),
        "it is a directory in the image",
    );
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_no_directories() {
    let above = Tar::new()
        .link("a", "b")
        .link("b", "a")
        .link("out", "/../../tmp/none");
    for path in ["a/x", "b/x", "out/x"] {
        let why = "in the image is not a directory";
        refused(&[bottom(), above.clone()], file(path), why);
    }
}

#[test]
fn a_link_that_is_replaced_leads_nowhere_any_more() {
    let entries = [file("l/one"), file("l")];
    let expected = [
        "d/",
        "d/a=1",
        "d/sub/",
        "d/sub/one=",
        "d/sub/x=1",
        "f=1",
        "l=",
    ];
    check(&[bottom()], &entries, &expected);
}
