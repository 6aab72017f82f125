//! `docs/VERBS.md` names every verb and every keyword, with a test that exists.

use std::fs;
use std::path::Path;

use crate::function::args;
use crate::image::grammar::{BASES, STEPS};

fn text() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/VERBS.md");
    fs::read_to_string(docs).unwrap()
}

#[test]
fn every_verb_and_every_keyword_has_a_row() {
    let text = text();
    let has = |row: &str| text.lines().any(|line| line.starts_with(row));
    for row in BASES.iter().chain(STEPS) {
        let name = row.name;
        assert!(has(&format!("| `{name}` |  |")), "`{name}` has no row");
        for keyword in row.keywords {
            let row = format!("| `{name}` | `{}` |", keyword.name);
            assert!(has(&row), "{row} is no row");
        }
    }
    for keyword in args::python() {
        let row = format!("| `{}` | [", keyword.name);
        assert!(has(&row), "{row} is no row");
    }
}

#[test]
fn every_row_names_a_test_that_exists() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut links = 0;
    let text = text();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let (_, link) = line.split_once('[').expect(line);
        let (test, file) = link.split_once("](").expect(line);
        let (file, _) = file.split_once(')').expect(line);
        let source = fs::read_to_string(docs.join(file)).expect(line);
        assert!(source.contains(&format!("fn {test}(")), "{line}");
        links += 1;
    }
    assert!(links > 50, "{links}");
}
