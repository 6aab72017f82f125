//! `docs/VERBS.md` names every verb and every keyword, with a test that exists.

use std::fs;
use std::path::Path;

use crate::function::args;
use crate::image::grammar::{BASES, STEPS};

fn text() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/VERBS.md");
    fs::read_to_string(docs).unwrap()
}

/// The rows: what stands in their first columns, but for the test.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')));
    let cells = cells.map(|cells| cells.skip(1).take_while(|cell| !cell.starts_with('[')));
    cells.map(Iterator::collect).collect()
}

#[test]
fn every_verb_and_every_keyword_has_a_row_and_every_row_is_one() {
    let text = text();
    let mut rows = rows(&text);
    let keywords = args::python();
    let mut all: Vec<_> = keywords.iter().map(|keyword| vec![keyword.name]).collect();
    for verb in BASES.iter().chain(STEPS) {
        all.push(vec![verb.name, ""]);
        let keywords = verb.keywords.iter();
        all.extend(keywords.map(|keyword| vec![verb.name, keyword.name]));
    }
    rows.sort_unstable();
    all.sort_unstable();
    for row in &all {
        assert!(rows.contains(row), "{row:?} has no row");
    }
    for row in &rows {
        assert!(all.contains(row), "{row:?} is neither verb nor keyword");
    }
    assert_eq!(rows.len(), all.len(), "a row stands there twice");
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
