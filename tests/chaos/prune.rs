//! `prune` on a store that nobody else uses, and on a daemon that other stores use.

use std::path::Path;

use crate::left;
use crate::world::{World, said};

/// What `prune` says.
fn pruned(world: &World, arguments: &[&str]) -> serde_json::Value {
    let report = world.good(&[&["prune", "--json"], arguments].concat());
    serde_json::from_str(&report).unwrap()
}

fn built(world: &World) -> u64 {
    let rows = world.good(&["build", "MADE", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    rows[0]["built"].as_u64().unwrap()
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_until_the_rest_fits() {
    let Some(world) = World::new() else { return };
    world.write_new();
    world.answers();
    // Since all is older than nothing, this tells how much one image is.
    let one = pruned(&world, &["--keep", "1TB"])["kept_bytes"]
        .as_u64()
        .unwrap();
    for _ in 0..3 {
        world.write_new();
        world.answers();
    }
    // The small system is below all of them; four layers of each other build are too much.
    let report = pruned(&world, &["--keep", &one.to_string()]);
    assert_eq!(report["layers"], 3 * 4, "{report}");
    assert_eq!(report["kept_bytes"], one);
    assert_eq!(built(&world), 0, "what was used last is still there");
    world.answers();
    world.good(&["doctor", "--verify"]);
}

#[test]
fn what_is_in_use_stays_however_little_is_to_be_kept() {
    let Some(world) = World::new() else { return };
    let sleeper = world.start(&["call", "sleep", "100000"]);
    left::until_a_container_runs(&world);
    let report = pruned(&world, &["--keep", "0"]);
    assert!(report["kept_bytes"].as_u64().unwrap() > 0, "{report}");
    let pid = rustix::process::Pid::from_child(&sleeper);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    crate::world::ended(sleeper);
    left::nothing(&world);
    assert_eq!(pruned(&world, &["--keep", "0"])["kept_bytes"], 0);
}

/// Room for the layers of one image.
const MEGABYTES: u32 = 1000;

#[test]
fn layers_that_only_other_stores_of_a_daemon_use_stay() {
    let Some((daemon, world)) = World::on_a_daemon(MEGABYTES) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let other = |store: &Path, arguments: &[&str]| -> serde_json::Value {
        let mut command = world.command(arguments);
        let output = command.env("IMAGE_STORE", store).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    world.answers();
    // What stands on nothing belongs to both, and others stand on it.
    other(folder.path(), &["build", "SYSTEM", "--json"]);
    for amount in [&["--all"][..], &["--keep", "0"]] {
        let arguments = [&["prune", "--json"], amount].concat();
        let report = other(folder.path(), &arguments);
        assert_eq!(report["layers"], 0, "{report}");
    }
    assert_eq!(built(&world), 0);
    let report = pruned(&world, &["--all"]);
    assert_eq!(report["layers"], 6, "{report}");
    left::nothing_at(&world, &daemon);
}
