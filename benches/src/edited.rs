//! One file edited in a copied directory of ten thousand, until the image is there again. Whole processes, from start to exit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::Result;

use crate::measure::{Row, Tagged, docker, in_turn, run, time_of};
use crate::subject::{ENGINES, Subject};

const TAG: &str = "image-runtime-bench-edited";
const FILES: usize = 10_000;

/// The directory that the image `COPIED` takes in, filled; emptied when dropped, however the measurement ends.
struct Copied {
    directory: PathBuf,
}

impl Copied {
    fn fill() -> Result<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("copied");
        let copied = Self { directory };
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

    /// Writes what was never there, so that nobody finds it made by an earlier run.
    fn edit(&self) -> Result<()> {
        let edit = format!("{:?}\n", SystemTime::now());
        Ok(fs::write(self.file(FILES / 2), edit)?)
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
    let builds = |engine| -> Result<_> {
        Ok(Subject::both(engine)?.map(|subject| subject.command(&["build", "COPIED"])))
    };
    let [first, second] = ENGINES;
    let [mut first_debug, mut first_release] = builds(first)?;
    let [mut second_debug, mut second_release] = builds(second)?;
    for command in [&mut first_debug, &mut second_debug, &mut peer] {
        run(command)?;
    }
    let edited = |command: &mut Command| {
        copied.edit()?;
        time_of(command)
    };
    // The peer takes most of the time by far, so both engines are compared with the same builds of it.
    let [
        first_debug,
        first_release,
        second_debug,
        second_release,
        against,
    ] = in_turn(
        3,
        [
            &mut || edited(&mut first_debug),
            &mut || edited(&mut first_release),
            &mut || edited(&mut second_debug),
            &mut || edited(&mut second_release),
            &mut || {
                // Otherwise every build leaves an image without a name.
                run(&mut docker(&["rmi", TAG]))?;
                edited(&mut peer)
            },
        ],
    )?;
    let times = [
        (first, first_debug, first_release),
        (second, second_debug, second_release),
    ];
    let rows = times.map(|(engine, debug, release)| Row {
        what: "one file edited in a copied directory of 10 000",
        engine,
        peer: "`docker build`",
        against,
        debug,
        release: Some(release),
        goal: 0.2,
    });
    Ok(rows.into())
}
