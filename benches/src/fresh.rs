//! Containers that serve one call each. Where the goal is a time and not a ratio, the peer is the goal.

use std::time::Duration;

use anyhow::Result;

use crate::measure::{Row, docker, in_turn, time_of};
use crate::subject::Subject;

pub(crate) fn containers() -> Result<Vec<Row>> {
    let image = Subject::base_image()?;
    let [_, program] = Subject::both("embedded")?;
    let bare = format!("bare {}", program.top_layer("BASE")?);
    let [mut debug, mut release] = Subject::both_calling("embedded")?;
    let mut engine = program.calls()?;
    let mut rows = Vec::new();
    let mut row = |what, peer, [debug, release, against]: [Duration; 3], goal| {
        rows.push(Row {
            what,
            engine: "embedded",
            peer,
            against,
            debug,
            release: Some(release),
            goal,
        });
    };
    let [ours, ours_release, docker_run, parts] = in_turn(
        15,
        [
            &mut || debug.more("cold"),
            &mut || release.more("cold"),
            &mut || time_of(&mut docker(&["run", "--rm", &image, "true"])),
            &mut || Ok(engine.more(&bare)? + time_of(&mut program.command(&["--help"]))?),
        ],
    )?;
    for (peer, against, goal) in [
        ("`docker run --rm … true`", docker_run, 1.0 / 60.0),
        (
            "`true` in one, and the program started by itself",
            parts,
            1.2,
        ),
    ] {
        let times = [ours, ours_release, against];
        row("call in a new container", peer, times, goal);
    }
    for (what, way, goal) in [
        (
            "a call, where 500 wait that need a new container each",
            "many",
            Duration::from_millis(2),
        ),
        (
            "100 containers at once",
            "hundred",
            Duration::from_millis(500),
        ),
    ] {
        let [ours, ours_release] =
            in_turn(3, [&mut || debug.more(way), &mut || release.more(way)])?;
        row(what, "the goal", [ours, ours_release, goal], 1.0);
    }
    debug.end()?;
    release.end()?;
    engine.end()?;
    Ok(rows)
}
