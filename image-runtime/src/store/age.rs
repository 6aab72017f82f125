//! How old things are, on a clock that may be set.

use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

/// How long ago a file was changed. Where the clock was set back since, it counts as changed now, this once: from then on it ages.
pub(crate) fn age(file: &File) -> io::Result<Duration> {
    match file.metadata()?.modified()?.elapsed() {
        Ok(age) => Ok(age),
        Err(_) => file
            .set_modified(SystemTime::now())
            .map(|()| Duration::ZERO),
    }
}
