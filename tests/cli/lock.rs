//! `image.lock`: written by `lock`, kept to by `--locked`.

use std::path::Path;

use crate::support::{Program, engine, program};

/// The program with a lock, and with a store of its own.
fn locked(lock: &Path, store: &Path, arguments: &[&str]) -> Program {
    let program = program(env!("CARGO_BIN_EXE_locked"), arguments);
    program.env("IMAGE_LOCK", lock).env("IMAGE_STORE", store)
}

fn store(name: &str) -> tempfile::TempDir {
    let builder = tempfile::Builder::new().prefix(name).to_owned();
    builder.tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn two_builds_from_one_lock_in_two_empty_stores_give_equal_packages_or_say_why_not() {
    if !engine() {
        return;
    }
    let (first, second) = (store("lock-first"), store("lock-second"));
    let lock = first.path().join("image.lock");
    let run = |store: &tempfile::TempDir, arguments: &[&str]| {
        locked(&lock, store.path(), arguments).run()
    };
    // Without one, nothing is exact.
    run(&first, &["build", "--locked"])
        .with(1, &["image.lock` cannot be read", "help: `lock` writes it"]);

    let written = run(&first, &["lock", "--json"]).good().json();
    assert_eq!(written["changed"], true);
    let text = std::fs::read_to_string(&lock).unwrap();
    for word in [
        "\"jq=",
        "name = \"python-dateutil\"",
        "\"sha256:",
        "tools = { pip =",
    ] {
        assert!(text.contains(word), "`{word}` is not in {text}");
    }
    run(&second, &["build", "--locked"]).good();
    let packages = [&first, &second].map(|store| {
        let call = locked(&lock, store.path(), &["call", "packages"]).env("IMAGE_LOCKED", "1");
        call.run().good().stdout
    });
    assert!(packages[0].contains("python-dateutil=="), "{}", packages[0]);
    assert_eq!(packages[0], packages[1]);
    // What was built to write it is what it says, and so is what was built from it.
    for store in [&first, &second] {
        let built = run(store, &["build", "--locked", "--json"]).good().json();
        assert_eq!(built[0]["built"], 0);
        assert_eq!(
            run(store, &["lock", "--json"]).good().json()["changed"],
            false
        );
    }

    // A version that cannot be had.
    let jq = text.split('"').find(|pin| pin.starts_with("jq=")).unwrap();
    std::fs::write(&lock, text.replace(jq, "jq=0.1")).unwrap();
    let failed = run(&second, &["build", "--locked"]);
    failed.with(
        1,
        &[
            "step `apt_install(jq)`",
            "help: the archive does not have this version",
        ],
    );
    // Files that are not those that were locked.
    let (before, after) = text.split_once("{ name = \"python-dateutil\"").unwrap();
    let (hashes, rest) = after.split_once(']').unwrap();
    let others = hashes.split("sha256:").map(|hash| match hash.get(..4) {
        Some(begin) if begin.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("0000{}", &hash[4..])
        }
        _ => hash.to_owned(),
    });
    let others = others.collect::<Vec<_>>().join("sha256:");
    let wrong = format!("{before}{{ name = \"python-dateutil\"{others}]{rest}");
    std::fs::write(&lock, wrong).unwrap();
    // Where the same versions were installed without the lock, too.
    for store in [&first, &second] {
        run(store, &["build", "--locked"]).with(
            1,
            &[
                "step `pip_install(python-dateutil)`",
                "Hash mismatch",
                "that `image.lock` names",
            ],
        );
    }
    // A definition that says something else.
    let (before, after) = text
        .split_once("step = \"apt_install(jq)\"\ndefinition = \"")
        .unwrap();
    let changed = format!(
        "{before}step = \"apt_install(jo)\"\ndefinition = \"0{}",
        &after[1..]
    );
    std::fs::write(&lock, changed).unwrap();
    run(&second, &["build", "--locked"]).with(
        1,
        &[
            "it does not fit image `LOCKED`",
            "step `apt_install(jq)` is new or says something else",
            "step `apt_install(jo)`, which it locks, is not there any more",
        ],
    );
    // What does not fit is locked anew, and the rest is kept.
    assert_eq!(
        run(&second, &["lock", "--json"]).good().json()["changed"],
        true
    );
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), text);
}
