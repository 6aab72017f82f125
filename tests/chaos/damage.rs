//! Stores that somebody damaged: a build repairs them, and `doctor --verify` finds what a build cannot see.

use std::fs;
use std::path::{Path, PathBuf};

use crate::left;
use crate::world::{World, said};

/// A store with all layers made.
fn built() -> Option<World> {
    let world = World::new()?;
    world.write_new();
    world.answers();
    // What clears up after it looks into the store, too.
    left::nobody(&world);
    Some(world)
}

/// The directory of the only layer whose title holds a word.
#[track_caller]
fn layer(world: &World, word: &str) -> PathBuf {
    let layers = world.forms().into_iter().map(|form| form.join("layers"));
    let places = layers
        .filter_map(|layers| fs::read_dir(layers).ok())
        .flatten();
    let places = places.map(|entry| entry.unwrap().path());
    let is_meant = |place: &PathBuf| {
        let record = fs::read_to_string(place.join("record.json"));
        record.is_ok_and(|record| record.contains(word))
    };
    let mut found: Vec<_> = places.filter(is_meant).collect();
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found.remove(0)
}

/// How many layers a build makes.
#[track_caller]
fn rebuilt(world: &World) -> u64 {
    let rows = world.good(&["build", "MADE", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    rows[0]["built"].as_u64().unwrap()
}

/// The damage is not found before a build runs into it; that repairs it, with all that stood on it, and answers right.
#[track_caller]
fn is_repaired(damage: impl Fn(&Path)) {
    let Some(world) = built() else { return };
    assert_eq!(rebuilt(&world), 0);
    left::nobody(&world);
    damage(&layer(&world, "→ /changing/again)"));
    assert_eq!(rebuilt(&world), 3, "the layer, and the two above it");
    world.answers();
    world.good(&["doctor", "--verify"]);
    left::nothing(&world);
}

#[test]
fn a_layer_whose_record_is_garbage_is_made_anew() {
    is_repaired(|layer| fs::write(layer.join("record.json"), "{\"id\":").unwrap());
}

#[test]
fn a_layer_whose_record_is_gone_is_made_anew() {
    is_repaired(|layer| fs::remove_file(layer.join("record.json")).unwrap());
}

#[test]
fn layers_that_stand_on_each_other_in_a_circle_are_made_anew() {
    is_repaired(|layer| {
        let file = layer.join("record.json");
        let record = fs::read_to_string(&file).unwrap();
        let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
        record["parent"] = record["id"].clone();
        record["parent_created"] = record["created"].clone();
        fs::write(&file, record.to_string()).unwrap();
    });
}

#[test]
fn a_layer_that_somebody_removed_is_made_anew() {
    is_repaired(|layer| fs::remove_dir_all(layer).unwrap());
}

#[test]
fn a_layer_without_its_files_is_made_anew() {
    is_repaired(|layer| fs::remove_dir_all(layer.join("fs")).unwrap());
}

#[test]
fn a_file_where_a_layer_should_be_gives_way() {
    is_repaired(|layer| {
        fs::remove_dir_all(layer).unwrap();
        fs::write(layer, "").unwrap();
    });
}

#[test]
fn mount_points_that_somebody_removed_are_made_anew() {
    let Some(world) = built() else { return };
    let forms = layer(&world, "→ /changing/again)").join("../../skeleton");
    fs::remove_dir_all(forms).unwrap();
    world.answers();
}

/// Verifying finds the damage, names the layer and what is wrong; a build repairs it.
#[track_caller]
fn is_found(damage: impl Fn(&Path), words: &[&str]) {
    let Some(world) = built() else { return };
    world.good(&["doctor", "--verify"]);
    damage(&layer(&world, "mkdir /made"));
    let verified = world.run(&["doctor", "--verify"]);
    let text = said(&verified);
    assert_eq!(verified.status.code(), Some(1), "{text}");
    for word in ["run_commands(mkdir /made", "1 damaged layer", "help:"]
        .iter()
        .chain(words)
    {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    assert_eq!(rebuilt(&world), 2, "the layer, and the one above it");
    world.good(&["doctor", "--verify"]);
    world.answers();
}

#[test]
fn a_changed_file_is_found_also_where_its_size_and_time_are_as_before() {
    let change = |layer: &Path| {
        let file = layer.join("fs/made/text");
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(|_: char| true, "7")).unwrap();
        let file = fs::File::options().write(true).open(&file).unwrap();
        file.set_modified(time).unwrap();
    };
    is_found(change, &["`/made/text` was changed"]);
}

#[test]
fn a_removed_file_is_found() {
    let remove = |layer: &Path| fs::remove_file(layer.join("fs/made/text")).unwrap();
    is_found(remove, &["`/made` was changed"]);
}

#[test]
fn an_added_file_is_found() {
    let add = |layer: &Path| fs::write(layer.join("fs/made/more"), "").unwrap();
    is_found(add, &["`/made` was changed", "`/made/more` was changed"]);
}

#[test]
fn a_layer_that_is_gone_is_found_by_those_above_it() {
    let Some(world) = built() else { return };
    fs::remove_dir_all(layer(&world, "→ /changing/again)")).unwrap();
    let text = said(&world.run(&["doctor", "--verify"]));
    assert!(
        text.contains("1 damaged layer") && text.contains("below it is gone"),
        "{text}"
    );
    world.answers();
}

#[test]
fn damage_is_told_to_programs_too_and_again_until_it_is_repaired() {
    let Some(world) = built() else { return };
    let whole: serde_json::Value =
        serde_json::from_str(&world.good(&["doctor", "--verify", "--json"])).unwrap();
    assert!(whole["layers"]["layers"].as_u64().unwrap() >= 6, "{whole}");
    assert_eq!(whole["layers"]["damaged"], serde_json::json!([]));
    fs::write(layer(&world, "mkdir /made").join("fs/made/text"), "x").unwrap();
    for fault in ["`/made/text` was changed", "it was found damaged before"] {
        let output = world.run(&["doctor", "--verify", "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let damaged = &report["layers"]["damaged"];
        assert_eq!(damaged[0]["faults"], serde_json::json!([fault]), "{report}");
        assert!(
            damaged[0]["title"]
                .as_str()
                .unwrap()
                .starts_with("run_commands(mkdir /made")
        );
    }
    world.answers();
}

#[test]
fn layers_above_one_that_was_made_anew_are_made_anew_too() {
    let Some(world) = built() else { return };
    // Another image made anew replaces what both stand on.
    world.good(&["build", "COPIED", "--no-cache"]);
    assert_eq!(rebuilt(&world), 2);
    world.answers();
}
