//! Marks in a folder that functions and tests see: how one waits for what the other does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_runtime::Volume;

/// Functions have it at `/marks`.
pub(crate) const MARKS: Volume = Volume::from_host("../target/tmp");

/// How long others may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mark of this process, or a folder of marks; it goes in the end.
pub(crate) struct Mark(PathBuf);

impl Mark {
    /// One that is not there yet.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp");
        fs::create_dir_all(&folder).expect("there is room");
        Self(folder.join(format!("mark-{name}-{}", std::process::id())))
    }

    /// What functions call it.
    pub(crate) fn name(&self) -> &str {
        let name = self.0.file_name().and_then(|name| name.to_str());
        name.expect("its name is a text")
    }

    pub(crate) fn make(&self) -> File {
        File::create(&self.0).expect("there is room")
    }

    pub(crate) fn remove(&self) {
        fs::remove_file(&self.0).expect("it is there");
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0).or_else(|_| fs::remove_dir_all(&self.0));
    }
}

/// In a function: whether a mark is there in time, or is gone where that is waited for.
pub(crate) fn wait_until(name: &str, is_there: bool) -> bool {
    let mark = Path::new("/marks").join(name);
    within_patience(|| mark.exists() == is_there)
}

/// In a function: a mark of its own in a folder of marks. Waits until so many are in it.
pub(crate) fn meet(folder: &str, own: &str, all: usize) -> bool {
    let folder = Path::new("/marks").join(folder);
    let made = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(own), ""));
    made.expect("there is room");
    within_patience(|| fs::read_dir(&folder).is_ok_and(|marks| marks.count() >= all))
}

fn within_patience(what: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !what() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
