//! What the state of a class calls while it is made.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use image_runtime::{CallErrorKind, Volume, app};

use crate::NOTHING;

const MARKS: Volume = Volume::from_host("../target/tmp");

#[app::function(image = NOTHING, volumes = { "/marks": MARKS })]
fn mark_later(name: &str) {
    std::thread::sleep(Duration::from_secs(3));
    fs::write(Path::new("/marks").join(name), "late").expect("there is room");
}

struct Starter;

#[app::cls(image = NOTHING, timeout = "3s")]
impl Starter {
    #[enter]
    fn new(mark: String) -> Self {
        let _goes_on = mark_later::spawn(&mark);
        // It is asked for before the state is there.
        std::thread::sleep(Duration::from_millis(100));
        Self
    }

    /// Never returns.
    #[method]
    fn wait(&self) {
        loop {
            std::thread::park();
        }
    }
}

#[app::test]
async fn what_it_has_spawned_goes_on_whatever_becomes_of_the_first_call() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
    fs::create_dir_all(&folder).expect("there is room");
    let name = format!("entered-{}", std::process::id());
    let mark = folder.join(&name);
    let starter = Starter::handle(name);
    let error = starter.wait.remote().await.expect_err("it never returns");
    assert_eq!(error.kind(), CallErrorKind::TimedOut, "{error}");
    let begun = Instant::now();
    while !mark.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::remove_file(mark).expect("it is there");
}
