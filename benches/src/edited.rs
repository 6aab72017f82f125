//! One file edited in a copied directory of ten thousand, until the image is there again. Whole processes, from start to exit.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::measure::{Row, Tagged, docker, in_turn, run, time_of};
use crate::subject::{ENGINES, Subject};

const TAG: &str = "image-runtime-bench-edited";
const FILES: usize = 10_000;

/// The directory that the image `COPIED` takes in, filled; emptied when dropped, however the measurement ends.
struct Copied {
    directory: PathBuf,
    edits: Cell<u32>,
}

impl Copied {
    fn fill() -> Result<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("copied");
        let copied = Self {
            directory,
            edits: Cell::new(0),
        };
        for number in 0..FILES {
            let path = copied.file(number);
            if number % 100 == 0 {
                fs::create_dir_all(path.parent().unwrap_or(&copied.directory))?;
            }
            fs::write(path, format!("file {number}\n").repeat(200))?;
        }
        Ok(copied)
    }

    /// A hundred files a folder.
    fn file(&self, number: usize) -> PathBuf {
        let folder = self.directory.join((number / 100).to_string());
        folder.join(number.to_string())
    }

    fn edit(&self) -> Result<()> {
        self.edits.set(self.edits.get() + 1);
        Ok(fs::write(
            self.file(FILES / 2),
            format!("edit {}\n", self.edits.get()),
        )?)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        for folder in 0..FILES / 100 {
            // Nothing else can be done about files that stay.
            let _ = fs::remove_dir_all(self.directory.join(folder.to_string()));
        }
    }
}

pub(crate) fn one_of_many() -> Result<Vec<Row>> {
    let base = Subject::base_image()?;
    let folder = tempfile::tempdir()?;
    let dockerfile = folder.path().join("Dockerfile");
    fs::write(&dockerfile, format!("FROM {base}\nCOPY . /copied\n"))?;
    let copied = Copied::fill()?;
    let mut peer = docker(&["build", "--quiet", "--tag", TAG, "--file"]);
    peer.arg(dockerfile).arg(&copied.directory);
    let _tagged = Tagged(TAG);
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [debug, release] = Subject::both(engine)?;
        let mut debug = debug.command(&["build", "COPIED"]);
        let mut release = release.command(&["build", "COPIED"]);
        for command in [&mut debug, &mut release, &mut peer] {
            run(command)?;
        }
        let edited = |command: &mut Command| {
            copied.edit()?;
            time_of(command)
        };
        let [debug, release, against] = in_turn(
            5,
            [
                &mut || edited(&mut debug),
                &mut || edited(&mut release),
                &mut || edited(&mut peer),
            ],
        )?;
        rows.push(Row {
            what: "one file edited in a copied directory of 10 000",
            engine,
            peer: "`docker build`",
            against,
            debug,
            release: Some(release),
            goal: 0.2,
        });
    }
    Ok(rows)
}
