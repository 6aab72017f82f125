//! Local files that containers see and images do not hold.

use std::fs;
use std::path::Path;

use image_runtime::{Image, app, image};

use crate::NOTHING;

const ADDED: Image = image!(
    NOTHING
        .add_local_dir("functions/data", "/srv/all", copy = false)
        .add_local_dir(
            "functions/data",
            "/srv/some",
            ignore = ["*.txt"],
            copy = false
        )
        .add_local_file(
            "functions/data/constraints.txt",
            "/etc/added/",
            copy = false
        )
);
const COPIED: Image = image!(NOTHING.add_local_dir("functions/data", "/srv/all"));

fn names(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[app::function(image = ADDED)]
fn in_added(path: &str) -> Vec<String> {
    names(path)
}

#[app::function(image = ADDED)]
fn written_in_added(path: &str) -> Result<(), std::io::Error> {
    fs::write(path, "new")
}

#[app::function(image = COPIED)]
fn in_copied(path: &str) -> Vec<String> {
    names(path)
}

#[app::test]
async fn added_files_are_seen_as_they_are_here_without_what_is_ignored() {
    let seen = async |path: &str| in_added::remote(path).await.unwrap();
    let here = names(&format!("{}/functions/data", env!("CARGO_MANIFEST_DIR")));
    assert_eq!(seen("/srv/all").await, here);
    let (texts, others): (Vec<_>, Vec<_>) = here
        .iter()
        .cloned()
        .partition(|name| name.ends_with(".txt"));
    assert!(!texts.is_empty());
    assert_eq!(seen("/srv/some").await, others);
    assert_eq!(
        seen("/srv/some/project").await,
        ["pyproject.toml", "uv.lock"]
    );
    assert_eq!(seen("/etc/added").await, ["constraints.txt"]);
    assert_eq!(in_copied::remote("/srv/all").await.unwrap(), here);
}

#[app::test]
async fn a_function_cannot_write_to_added_files() {
    let error = written_in_added::remote("/srv/all/constraints.txt").await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("Read-only file system"), "{error}");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/data/constraints.txt");
    assert_eq!(fs::read_to_string(here).unwrap(), "idna==3.7\n");
}
