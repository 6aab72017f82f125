//! Files as people write them: what is read, and what is said of what is wrong, with its line.

use std::path::Path;

use super::lock;
use super::project::{List, Project};
use super::requirements::{self, Requirements};
use crate::diag::Fault;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Faults without the folder.
fn said(folder: &Path, faults: &[Fault]) -> Vec<String> {
    let folder = format!("{}/", folder.to_str().unwrap());
    let texts = faults.iter().map(|fault| fault.text().replace(&folder, ""));
    texts
        .map(|text| text.lines().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_fault_of_requirements_files_is_told_with_its_file_and_line() {
    let folder = folder(&[
        (
            "a.txt",
            "numpy=1.0\n\n-r b.txt\n./local\n-e .\n--indexurl x\nsix==1.0 --hash=md5:00\n\\\nidna==\n-c none.txt\n--index-url pypi\n-r https://h/x",
        ),
        ("b.txt", "# fine\n-r a.txt\nx y\n"),
    ]);
    let faults = requirements::read(&path(&folder, "a.txt")).err().unwrap();
    assert_eq!(
        said(folder.path(), &faults),
        [
            "a.txt:1: \"numpy=1.0\" is not a requirement (PEP 508): versions are compared with `==`, not with `=`",
            "b.txt:2: `a.txt` includes itself",
            "b.txt:3: \"x y\" is not a requirement (PEP 508): a comparison is expected, found `y`",
            "a.txt:4: `./local` is a path of this machine, and not in the build container",
            "a.txt:5: an editable project is not in the build container",
            "a.txt:6: the option `--indexurl` is not known here",
            "a.txt:7: `--hash=md5:00` is not a hash",
            "a.txt:8: \"idna==\" is not a requirement (PEP 508): a version is expected after `==`",
            "a.txt:10: there is no file `none.txt`",
            "a.txt:11: \"pypi\" is not the URL of a package index",
            "a.txt:12: `https://h/x` is not a file of this machine",
        ]
    );
}

#[test]
fn a_requirements_file_becomes_one_text_with_all_that_it_includes() {
    let folder = folder(&[
        (
            "a.txt",
            "\u{feff}-i https://${TOKEN}@h/simple\r\n--pre\n--trusted-host h\n-rb.txt\n--constraint=c.txt\nx @ https://${TOKEN}@h/x.whl#sha256=00 # why\n",
        ),
        ("b.txt", "six==1.0\n--pre\nidna>=3\n"),
        ("c.txt", "Six==1.0\nIDNA==3.7"),
    ]);
    let read = requirements::read(&path(&folder, "a.txt")).ok().unwrap();
    assert_eq!(
        read.text,
        "--index-url https://${TOKEN}@h/simple\nsix==1.0\nidna>=3\nx @ https://${TOKEN}@h/x.whl#sha256=00\n"
    );
    assert_eq!(read.constraints, "Six==1.0\nIDNA==3.7\n");
    assert_eq!(
        read.options,
        ["--prerelease", "allow", "--allow-insecure-host", "h"]
    );
    assert_eq!(read.files.len(), 3);
    // The constraints pin it.
    assert!(read.unpinned.is_empty());
}

const PROJECT: &str = r#"
[project]
name = "My.Project"
dependencies = ["numpy==1.0", "bad=="]
[project.optional-dependencies]
Dev_Tools = ["six==1.0", "my-project[more]"]
more = ["idna", 3]
[dependency-groups]
test = ["tomli", { include-group = "nope" }]
"#;

#[test]
fn a_project_is_read_by_its_lists() {
    let folder = folder(&[("pyproject.toml", PROJECT)]);
    let project = Project::read(&path(&folder, "pyproject.toml"))
        .ok()
        .unwrap();
    for (list, text, faults) in [
        (
            List::Dependencies,
            "numpy==1.0\n",
            &[
                "pyproject.toml:4: \"bad==\" is not a requirement (PEP 508): a version is expected after `==`",
            ][..],
        ),
        (
            List::Extra("dev-tools"),
            "six==1.0\nidna\n",
            &["pyproject.toml:7: a requirement must be a string"],
        ),
        (
            List::Group("test"),
            "tomli\n",
            &["`pyproject.toml` has no group `nope`"],
        ),
        (
            List::Extra("mor"),
            "",
            &["`pyproject.toml` has no extra `mor`"],
        ),
    ] {
        let mut read = Requirements::default();
        let found = project.add(list, &mut read).err().unwrap();
        assert_eq!(
            (read.text.as_str(), said(folder.path(), &found)),
            (text, faults.iter().map(ToString::to_string).collect())
        );
    }
    let first = |text: &str| {
        let folder = self::folder(&[("p.toml", text)]);
        let read = Project::read(&path(&folder, "p.toml"));
        let faults = match read {
            Ok(project) => project
                .add(List::Dependencies, &mut Requirements::default())
                .err()
                .unwrap(),
            Err(fault) => vec![fault],
        };
        said(folder.path(), &faults).remove(0)
    };
    assert!(first("[project\n").starts_with("p.toml:1: "));
    assert!(first("").contains("no `[project]` table"));
    assert!(
        first("[project]\nname = \"a\"\ndynamic = [\"dependencies\"]")
            .starts_with("p.toml:3: the project's dependencies are made by its build")
    );
    assert!(
        first("[project]\ndependencies = \"a\"")
            .starts_with("p.toml:2: `dependencies` must be a list")
    );
}

#[test]
fn a_lock_is_refused_where_it_is_of_another_project_or_names_what_is_not_in_the_container() {
    let lock_of = |dependencies: &str, text: &str| {
        let project = format!("[project]\nname = \"My.Project\"\n{dependencies}");
        let folder = folder(&[("pyproject.toml", &project), ("uv.lock", text)]);
        let project = Project::read(&path(&folder, "pyproject.toml"))
            .ok()
            .unwrap();
        let checked = lock::check(&path(&folder, "uv.lock"), &project);
        checked.err().map(|faults| said(folder.path(), &faults))
    };
    let own = "version = 1\n[[package]]\nname = \"my-project\"\nsource = { virtual = \".\" }\n";
    let needed = "[[package]]\nname = \"needed\"\n";
    // Of a project that needs nothing, a lock has no metadata.
    for dependencies in ["", "dependencies = []\n", "dynamic = [\"dependencies\"]\n"] {
        assert_eq!(lock_of(dependencies, own), None, "{dependencies}");
    }
    let lock = |text: &str| lock_of("dependencies = [\"needed>=1\"]\n", text);
    for metadata in [
        "dependencies = [{ name = \"needed\" }]\n",
        "[package.metadata]\nrequires-dist = [{ name = \"needed\" }]\n",
    ] {
        assert_eq!(
            lock(&format!("{own}{metadata}{needed}")),
            None,
            "{metadata}"
        );
    }
    for (text, said) in [
        ("", "uv.lock:1: this is not the text of a `uv.lock`"),
        ("version = 1\n", "`uv.lock` is not the lock of this project"),
        (
            "revision = 1\nversion = 2\n",
            "uv.lock:2: version 2 of the format is not known here",
        ),
        (
            "version = 1\npackage = 3\n",
            "uv.lock:2: this is not the text of a `uv.lock`",
        ),
        (
            "version = 1\n<<<<<<< HEAD\n",
            "uv.lock:2: key with no value, expected `=`",
        ),
        (
            &format!("{own}[[package]]\nversion = \"1\"\n"),
            "uv.lock:5: this package has no `name`",
        ),
        (
            &format!(
                "{own}dependencies = [\n  {{ name = \"needed\" }},\n  {{ name = \"b\" }},\n]\n{needed}"
            ),
            "uv.lock:7: `my-project` needs `b`, which is not locked",
        ),
        (
            own,
            "uv.lock:3: the project needs `needed>=1`, which is not locked",
        ),
        (
            &format!("{own}[package.metadata]\nrequires-dist = []\n"),
            "uv.lock:3: the project needs `needed>=1`, which is not locked",
        ),
        (
            &format!(
                "{own}dependencies = [{{ name = \"needed\" }}]\n{needed}[[package]]\nname = \"b\"\nsource = {{ editable = \"../b\" }}\n"
            ),
            "uv.lock:10: `b` comes from `../b`, which is not in the build container",
        ),
    ] {
        assert_eq!(lock(text).unwrap_or_default(), [said], "{text}");
    }
}
