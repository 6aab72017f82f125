//! Nothing is done twice.

use crate::support::{
    Changing, assert_nothing_left, changing, children, engine, has_layer, store, subject, tidy,
};

/// How many layers each image of a build needed.
fn built(rows: &[serde_json::Value]) -> Vec<u64> {
    rows.iter()
        .map(|row| row["built"].as_u64().unwrap())
        .collect()
}

/// How often a line was printed.
fn count(text: &str, line: &str) -> usize {
    text.lines()
        .filter(|printed| printed.ends_with(line))
        .count()
}

#[test]
fn a_second_build_makes_nothing_and_says_next_to_nothing() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let first = files.build(&["COPIED"]);
    assert!(built(&first)[0] >= 2, "{first:?}");
    let second = changing(&["build", "COPIED"]).run().good();
    insta::assert_snapshot!(tidy(&second.stderr), @r"
    IMAGE   LAYER         BASE     BUILT
    COPIED  [identity..]  scratch  nothing to do
    ");
    assert_eq!(files.build(&["COPIED"])[0]["built"], 0);
    assert_eq!(files.build(&["COPIED"])[0]["layer"], first[0]["layer"]);
    // A call of a function in it builds nothing either, and prints its result alone.
    let call = changing(&["call", "in_copied"]).run().good();
    assert_eq!(call.stderr, "");
}

#[test]
fn a_changed_file_rebuilds_its_layer_and_those_after_it() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["COPIED"]);
    let text = files.write_new();
    // Of four layers, base and `first.txt` come before the directory.
    let again = changing(&["build", "COPIED"]).run().good();
    insta::assert_snapshot!(tidy(&again.stderr), @r"
    [COPIED 1/2] copy_local_dir(cli/data/changing → /changing) …
    [COPIED 1/2] copy_local_dir(cli/data/changing → /changing) [time]
    [COPIED 2/2] copy_local_file(cli/data/last.txt → /last) …
    [COPIED 2/2] copy_local_file(cli/data/last.txt → /last) [time]
    built 2 layers in [time]
    IMAGE   LAYER         BASE     BUILT
    COPIED  [identity..]  scratch  2 layers built
    ");
    let call = changing(&["call", "in_copied"]).run().good();
    assert_eq!(call.stdout, format!("\"{text}\"\n"));
    files.build(&["COPIED"]);
}

#[test]
fn two_programs_at_the_same_time_make_each_layer_once() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let programs = [(); 3].map(|()| changing(&["build", "LEFT"]).start());
    let ended = programs.map(|program| program.end().good());
    let all: String = ended.iter().map(|ended| ended.stderr.as_str()).collect();
    assert_eq!(count(&all, "│ made PREFIX"), 1, "{all}");
    assert_eq!(count(&all, "│ made LEFT"), 1, "{all}");
    assert!(
        all.contains("waiting for another process that builds it"),
        "{all}"
    );
    ended.iter().for_each(assert_nothing_left);
    files.build(&["LEFT"]);
}

#[test]
fn two_threads_and_two_images_make_what_they_share_once() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let threads = changing(&[]).run().good();
    for line in ["│ made PREFIX", "│ made LEFT", "│ made RIGHT"] {
        assert_eq!(count(&threads.stderr, line), 1, "{}", threads.stderr);
    }
    assert_nothing_left(&threads);
    assert_eq!(built(&files.build(&["LEFT", "RIGHT"])), [0, 0]);

    files.write_new();
    let both = changing(&["build", "LEFT", "RIGHT"]).run().good();
    for line in ["│ made PREFIX", "│ made LEFT", "│ made RIGHT"] {
        assert_eq!(count(&both.stderr, line), 1, "{}", both.stderr);
    }
    files.build(&["LEFT", "RIGHT"]);
}

#[test]
fn what_later_steps_need_is_downloaded_while_an_earlier_one_runs() {
    if !engine() {
        return;
    }
    let built = changing(&["build", "AHEAD"]).run().good();
    let at = |line: &str| {
        let lines = built.stderr.lines();
        let mut found = lines.enumerate().filter(|(_, text)| text.ends_with(line));
        found.next().map(|(index, _)| index)
    };
    let begun = at("] pip_install(six==1.17.0): downloading ahead …").expect(&built.stderr);
    let there = at("] pip_install(six==1.17.0): downloaded").expect(&built.stderr);
    let slept = at("│ slept").expect(&built.stderr);
    let step = at("] pip_install(six==1.17.0) …").expect(&built.stderr);
    assert!(
        begun < slept && begun < there && there < step,
        "{}",
        built.stderr
    );
    // What an earlier step makes cannot be there before it: that is for the step itself to find, and no error.
    at("] pip_install(sample==1.0): downloading ahead …").expect(&built.stderr);
    assert_eq!(at("] pip_install(sample==1.0): downloaded"), None);
    assert_nothing_left(&built);
}

#[test]
fn a_forced_step_and_those_after_it_are_made_in_every_run() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["FORCED"]);
    let again = files.build(&["FORCED"]);
    assert_eq!(built(&again), [2]);
    // One of each: the new ones took the place of the old ones.
    assert_eq!(children(again[0]["layer"].as_str().unwrap()), 0);
}

#[test]
fn without_cache_everything_is_made_again_and_replaced() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let first = files.build(&["COPIED"]);
    let again = files.build(&["COPIED", "--no-cache"]);
    assert_eq!(built(&again), [4]);
    assert_eq!(again[0]["layer"], first[0]["layer"]);
    assert_eq!(built(&files.build(&["COPIED"])), [0]);
}

#[test]
fn the_list_of_images_tells_the_python_that_was_used() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let base = files.build(&["PIP"])[0]["base"].clone();
    let images = changing(&["images", "--json"]).run().good().json();
    let images = images.as_array().unwrap();
    let listed = images.iter().find(|row| row["name"] == "PIP").unwrap();
    // The archive has its own Python, a registry the very one that the builder version pins.
    let python = match base.as_str().unwrap().contains("archive") {
        true => "debian_slim, Python 3.11 of Debian bookworm",
        false => "debian_slim, Python 3.11.10",
    };
    assert_eq!(listed["base"], python);
}

#[test]
fn pulling_asks_for_the_base_again_and_makes_nothing_where_it_is_the_same() {
    if !engine() {
        return;
    }
    subject(&["call", "in_debian"]).run().good();
    let pulled = subject(&["build", "DEBIAN", "--pull", "--json"])
        .run()
        .good();
    assert_eq!(pulled.json()[0]["built"], 0, "{}", pulled.stderr);
}

#[test]
fn a_run_that_ignores_the_cache_makes_everything_and_leaves_the_cache_as_it_was() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let first = files.build(&["COPIED"]);
    let ignoring = files.build(&["COPIED", "--ignore-cache"]);
    assert_eq!(built(&ignoring), [4]);
    let identity = |rows: &[serde_json::Value]| rows[0]["layer"].as_str().unwrap().to_owned();
    assert!(!has_layer(&identity(&ignoring)));
    let again = files.build(&["COPIED"]);
    assert_eq!(
        (built(&again), identity(&again)),
        (vec![0], identity(&first))
    );
}

#[test]
fn what_a_killed_run_leaves_that_ignored_the_cache_is_removed_by_the_next_build() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    let slow = changing(&["build", "SLOW", "--ignore-cache"]);
    let mut slow = slow.env("IMAGE_TESTS_SLOW", "forever").start();
    slow.until("│ started");
    let left: Vec<String> = std::fs::read_dir(store().join("v1/passing"))
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("layers")).ok())
        .flat_map(|layers| layers.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(left.iter().any(|layer| has_layer(layer)), "{left:?}");
    slow.signal(rustix::process::Signal::KILL);
    // A layer that a container stands on stays; a daemon takes a moment to hear that its program is gone.
    assert_nothing_left(&slow.end());
    files.write_new();
    files.build(&["COPIED"]);
    let still: Vec<_> = left.iter().filter(|layer| has_layer(layer)).collect();
    assert!(still.is_empty(), "{still:?}");
}
