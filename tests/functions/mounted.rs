//! Directories that outlive containers.

use std::fs;
use std::path::Path;

use image_runtime::{CallErrorKind, Volume, app};

use crate::NOTHING;

const SHARED: Volume = Volume::from_name("tests-shared");

fn written(path: &str, text: &str) -> Result<String, std::io::Error> {
    fs::write(path, text)?;
    fs::read_to_string(path)
}

/// A container of its own for each call.
#[app::function(image = NOTHING, volumes = { "/data": SHARED }, idle_timeout = "0s")]
fn write(name: &str, text: &str) -> Result<String, std::io::Error> {
    written(&format!("/data/{name}"), text)
}

#[app::function(image = NOTHING, volumes = { "/srv/deep/er/": Volume::from_name("tests-shared") })]
fn read_elsewhere(name: &str) -> Result<String, std::io::Error> {
    fs::read_to_string(format!("/srv/deep/er/{name}"))
}

#[app::test]
async fn a_named_volume_is_seen_by_every_function_that_names_it() {
    let text = std::process::id().to_string();
    assert_eq!(write::remote("a", &text).await.unwrap(), text);
    assert_eq!(read_elsewhere::remote("a").await.unwrap(), text);
    // What one container writes, another that runs already sees.
    write::remote("a", "again").await.unwrap();
    assert_eq!(read_elsewhere::remote("a").await.unwrap(), "again");
}

#[app::function(
    image = NOTHING,
    volumes = {
        "/data/inner": Volume::from_name("tests-inner"),
        "/data": Volume::from_name("tests-outer"),
    }
)]
fn both() -> Result<(), std::io::Error> {
    fs::write("/data/outer.txt", "")?;
    fs::write("/data/inner/inner.txt", "")
}

#[app::function(image = NOTHING, volumes = { "/inner": Volume::from_name("tests-inner") })]
fn names_in_inner() -> Vec<String> {
    let entries = fs::read_dir("/inner").expect("it is there").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

#[app::test]
async fn a_volume_below_another_is_itself() {
    both::remote().await.unwrap();
    assert_eq!(names_in_inner::remote().await.unwrap(), ["inner.txt"]);
}

#[app::function(image = NOTHING, volumes = { "/host": Volume::from_host("functions/data") })]
fn names_on_host() -> usize {
    fs::read_dir("/host").expect("it is there").count()
}

#[app::function(image = NOTHING, volumes = { "/host": Volume::from_host("../target/tmp") })]
fn write_to_host(name: &str) -> Result<String, std::io::Error> {
    written(&format!("/host/{name}"), "from inside")
}

#[app::test]
async fn a_directory_of_this_machine_is_the_same_inside() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = fs::read_dir(crate_folder.join("functions/data")).unwrap();
    assert_eq!(names_on_host::remote().await.unwrap(), here.count());
    let folder = crate_folder.join("../target/tmp");
    fs::create_dir_all(&folder).unwrap();
    let name = format!("volume-{}", std::process::id());
    write_to_host::remote(&name).await.unwrap();
    let path = folder.join(&name);
    assert_eq!(fs::read_to_string(&path).unwrap(), "from inside");
    fs::remove_file(path).unwrap();
}

#[app::function(image = NOTHING, volumes = { "/host": Volume::from_host("not/there") })]
fn nowhere() {}

#[app::function(image = NOTHING, volumes = { "/host": Volume::from_host("Cargo.toml") })]
fn on_a_file() {}

#[app::test]
async fn a_directory_that_is_not_there_is_told_before_anything_starts() {
    for error in [
        nowhere::remote().await.unwrap_err(),
        on_a_file::remote().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), CallErrorKind::Engine);
        let text = error.to_string();
        for says in ["cannot be called", "`/host`", "help:", "Volume::from_host"] {
            assert!(text.contains(says), "{text}");
        }
        assert_eq!(
            text.contains("help: make it"),
            !text.contains("Cargo.toml"),
            "{text}"
        );
    }
    let text = on_a_file::remote().await.unwrap_err().to_string();
    assert!(
        text.contains("is no directory") && text.contains("add_local_file"),
        "{text}"
    );
}
