//! A second build: nothing changed, nothing is done. Whole processes, from start to exit.

use std::time::Duration;

use anyhow::Result;

use crate::measure::{Row, Tagged, docker, in_turn, run, time_of};
use crate::subject::{ENGINES, Subject};

const TAG: &str = "image-runtime-bench";

pub(crate) fn second_build() -> Result<Vec<Row>> {
    let base = Subject::base_image()?;
    let folder = tempfile::tempdir()?;
    // The same steps as those of the image `STEPS` in bin/measured.rs.
    let dockerfile = folder.path().join("Dockerfile");
    std::fs::write(
        &dockerfile,
        format!(
            "FROM {base}\nRUN echo ready > /ready\nCOPY src /src\nENV READY=/ready\nWORKDIR /src\n"
        ),
    )?;
    let mut peer = docker(&["build", "--quiet", "--tag", TAG, "--file"]);
    peer.arg(dockerfile).arg(env!("CARGO_MANIFEST_DIR"));
    let _tagged = Tagged(TAG);
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [debug, release] = Subject::both(engine)?;
        let mut debug = debug.command(&["build", "STEPS"]);
        let mut release = release.command(&["build", "STEPS"]);
        for command in [&mut debug, &mut release, &mut peer] {
            run(command)?;
        }
        let [debug, release, against] = in_turn(
            30,
            [
                &mut || time_of(&mut debug),
                &mut || time_of(&mut release),
                &mut || time_of(&mut peer),
            ],
        )?;
        rows.push(Row {
            what: "second build, nothing changed",
            engine,
            peer: "cached `docker build`",
            against,
            debug,
            release: Some(release),
            goal: 0.05,
        });
    }
    Ok(rows)
}

/// A second build of all images of a program that has ten, beyond what the program takes to say its name.
pub(crate) fn ten_images() -> Result<Vec<Row>> {
    let [debug, release] = Subject::both("embedded")?;
    let [mut building, mut building_release] = [&debug, &release].map(|subject| {
        subject.command(&[
            "build", "BASE", "STEPS", "PYTHON", "A", "B", "C", "D", "E", "F", "G",
        ])
    });
    let [mut starting, mut starting_release] =
        [&debug, &release].map(|subject| subject.command(&["--help"]));
    run(&mut building)?;
    let [built, built_release, started, started_release] = in_turn(
        30,
        [
            &mut || time_of(&mut building),
            &mut || time_of(&mut building_release),
            &mut || time_of(&mut starting),
            &mut || time_of(&mut starting_release),
        ],
    )?;
    Ok(vec![Row {
        what: "second build of ten images, beyond the program's start",
        engine: "embedded",
        peer: "the goal",
        against: Duration::from_millis(5),
        debug: built.saturating_sub(started),
        release: Some(built_release.saturating_sub(started_release)),
        goal: 1.0,
    }])
}
