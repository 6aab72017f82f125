//! What a layer hides of those below, seen through a mounted overlay.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::super::super::form::Form;
use super::super::{hides_all_below, unpack};
use super::archive::Tar;
use super::{Ground, overlay, path_of, tree};

/// Unpacks layers, the lowest first, and answers what is seen of all of them.
fn seen(form: Form, layers: &[Tar]) -> Option<Vec<String>> {
    let ground = Ground::new()?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let path = ground.root().join(number.to_string());
        fs::create_dir(&path).unwrap();
        let root = fs::File::open(&path).unwrap();
        unpack(layer.clone().end().as_slice(), root.as_fd(), form).unwrap();
        paths.insert(0, path);
    }
    let [upper, work] = ["upper", "work"].map(|name| ground.root().join(name));
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    let attributes = match form {
        Form::Root => "trusted",
        Form::Range | Form::User => "user",
    };
    let mounted = overlay(&paths, &upper, &work, attributes)?;
    Some(tree(&path_of(&mounted)))
}

fn check(layers: &[Tar], expected: &[&str]) {
    for form in [Form::Root, Form::Range, Form::User] {
        let Some(seen) = seen(form, layers) else {
            return;
        };
        assert_eq!(seen, expected, "{form:?}");
    }
}

fn below() -> Tar {
    Tar::new()
        .file("d/a", "1")
        .file("d/b", "1")
        .file("d/sub/x", "1")
        .file("f", "1")
        .link("l", "d")
}

#[test]
fn without_any_layers_add_up() {
    let above = Tar::new().file("d/a", "2").file("n", "2");
    let expected = [
        "d/",
        "d/a=2",
        "d/b=1",
        "d/sub/",
        "d/sub/x=1",
        "f=1",
        "l>d",
        "n=2",
    ];
    check(&[below(), above], &expected);
}

#[test]
fn files_links_and_directories_are_hidden() {
    let above = Tar::new()
        .directory("d")
        .file("d/.wh.a", "")
        .file("d/.wh.sub", "")
        .file(".wh.f", "")
        .file(".wh.l", "")
        .file(".wh.never", "");
    check(&[below(), above], &["d/", "d/b=1"]);
}

#[test]
fn a_whole_directory_is_hidden_and_what_the_layer_brings_is_not() {
    for is_first in [true, false] {
        let mut above = Tar::new().directory("d");
        if is_first {
            above = above.file("d/.wh..wh..opq", "");
        }
        above = above.file("d/.wh.a", "").file("d/new", "2");
        if !is_first {
            above = above.file("d/.wh..wh..opq", "");
        }
        check(&[below(), above], &["d/", "d/new=2", "f=1", "l>d"]);
    }
}

#[test]
fn what_a_layer_removes_and_brings_shows_nothing_of_that_below() {
    let whole = ["d/", "d/new=2", "f=2", "l>d"];
    let before = Tar::new()
        .file(".wh.d", "")
        .file(".wh.f", "")
        .directory("d")
        .file("d/new", "2")
        .file("f", "2");
    check(&[below(), before], &whole);
    let after = Tar::new()
        .directory("d")
        .file("d/new", "2")
        .file("f", "2")
        .file(".wh.d", "")
        .file(".wh.f", "");
    check(&[below(), after], &whole);
    let left_out = Tar::new()
        .file(".wh.d", "")
        .file("d/new", "2")
        .file("f", "2");
    check(&[below(), left_out], &whole);
}

#[test]
fn a_directory_with_the_number_of_a_removed_one_hides_nothing() {
    // File systems give the number of a directory that went to the next that comes.
    // A hard link needs none of its own.
    let above = Tar::new()
        .file("k", "")
        .directory("x")
        .file("x/.wh..wh..opq", "")
        .hard_link("x", "k")
        .directory("d")
        .file("d/.wh.b", "");
    let expected = [
        "d/",
        "d/a=1",
        "d/sub/",
        "d/sub/x=1",
        "f=1",
        "k=",
        "l>d",
        "x=",
    ];
    check(&[below(), above], &expected);
}

#[test]
fn a_file_and_a_directory_take_the_place_of_each_other() {
    let above = Tar::new()
        .file("d", "2")
        .directory("f")
        .file("f/x", "2")
        .directory("l")
        .file("l/x", "2");
    let expected = ["d=2", "f/", "f/x=2", "l/", "l/x=2"];
    check(&[below(), above], &expected);
}

#[test]
fn a_later_layer_brings_back_what_one_hid() {
    let middle = Tar::new().file(".wh.d", "").file(".wh.f", "");
    let above = Tar::new().file("d/new", "3").file("f", "3");
    check(&[below(), middle, above], &["d/", "d/new=3", "f=3", "l>d"]);
}

#[test]
fn a_layer_that_hides_all_below_is_known() {
    for form in [Form::Root, Form::Range, Form::User] {
        for hides in [true, false] {
            let Some(ground) = Ground::new() else { return };
            let name = if hides {
                ".wh..wh..opq"
            } else {
                "d/.wh..wh..opq"
            };
            let layer = Tar::new().file(name, "").end();
            unpack(layer.as_slice(), ground.open().as_fd(), form).unwrap();
            assert_eq!(hides_all_below(ground.open().as_fd(), form).unwrap(), hides);
        }
    }
}
