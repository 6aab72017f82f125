//! `image.lock`: written by `lock`, kept to by `--locked`.

use std::path::Path;

use image_runtime::digest::Digest;
use tests::served::Served;

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

/// A lock in which all hashes of a package are others.
fn with_other_hashes(text: &str, package: &str) -> String {
    let (before, after) = text
        .split_once(&format!("{{ name = \"{package}\""))
        .unwrap();
    let (hashes, rest) = after.split_once(']').unwrap();
    let others = hashes.split("sha256:").map(|hash| match hash.get(..4) {
        Some(begin) if begin.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("0000{}", &hash[4..])
        }
        _ => hash.to_owned(),
    });
    let others = others.collect::<Vec<_>>().join("sha256:");
    format!("{before}{{ name = \"{package}\"{others}]{rest}")
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
        "url = \"file:///wheels/direct-1.0-py3-none-any.whl\"",
        "name = \"STAGED, stage 0\"",
        "\"jo=",
    ] {
        assert!(text.contains(word), "`{word}` is not in {text}");
    }
    run(&second, &["build", "--locked"]).good();
    // With the options of the step, which ask for a version before its release and for nothing that it needs.
    let optioned = text.split("name = \"OPTIONED\"").nth(1).unwrap();
    let optioned = optioned.split("[[image]]").next().unwrap();
    assert!(
        optioned.contains("{ name = \"direct\", version = \"2.0rc1\" }"),
        "{text}"
    );
    let call = locked(&lock, second.path(), &["call", "in_optioned"]).env("IMAGE_LOCKED", "1");
    assert_eq!(call.run().good().stdout.trim(), "\"2.0rc1\\n\"");
    let packages = [&first, &second].map(|store| {
        let call = locked(&lock, store.path(), &["call", "packages"]).env("IMAGE_LOCKED", "1");
        call.run().good().stdout
    });
    assert!(packages[0].contains("python-dateutil=="), "{}", packages[0]);
    assert_eq!(packages[0], packages[1]);
    // What was built to write it is what it says, and so is what was built from it.
    for store in [&first, &second] {
        let built = run(store, &["build", "--locked", "--json"]).good().json();
        for image in built.as_array().unwrap() {
            assert_eq!(image["built"], 0, "{image}");
        }
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
    for (package, step) in [
        ("python-dateutil", "step `pip_install(python-dateutil)`"),
        ("direct", "step `pip_install(direct @ file:///wheels/"),
    ] {
        std::fs::write(&lock, with_other_hashes(&text, package)).unwrap();
        // Where the same versions were installed without the lock, too.
        for store in [&first, &second] {
            run(store, &["build", "--locked"])
                .with(1, &[step, "Hash mismatch", "that `image.lock` names"]);
        }
    }
    // What a stage is to hold that another image only copies from.
    let jo = text.split('"').find(|pin| pin.starts_with("jo=")).unwrap();
    std::fs::write(&lock, text.replace(jo, "jo=0.1")).unwrap();
    run(&second, &["build", "STAGED", "--locked"]).with(
        1,
        &["does not bring what `image.lock` says", "without jo=0.1"],
    );
    // A base that does not say which, and words that mean nothing there.
    for (old, new, told) in [
        (
            "suite = ",
            "suit = ",
            "base `debian 2024.10 python 3.11.10` has",
        ),
        ("hashes = [", "hashs = [", "is nothing that a lock says"),
    ] {
        std::fs::write(&lock, text.replacen(old, new, 1)).unwrap();
        run(&second, &["build", "LOCKED", "--locked"])
            .with(1, &["image.lock` cannot be used", told]);
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
            "step `apt_install(jq)` is locked as `apt_install(jo)`",
        ],
    );
    // What does not fit is locked anew, and the rest is kept.
    assert_eq!(
        run(&second, &["lock", "--json"]).good().json()["changed"],
        true
    );
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), text);
}

#[test]
fn what_an_address_holds_is_locked_and_another_file_in_its_place_is_refused() {
    if !engine() {
        return;
    }
    let served = Served::at("127.0.0.1:47832");
    served.holds("/fixed", "fixed");
    let (first, second) = (store("address-first"), store("address-second"));
    let lock = first.path().join("image.lock");
    let added = |store: &tempfile::TempDir, arguments: &[&str]| {
        let program = program(env!("CARGO_BIN_EXE_added"), arguments);
        program
            .env("IMAGE_LOCK", &lock)
            .env("IMAGE_STORE", store.path())
    };
    let run = |store: &tempfile::TempDir, arguments: &[&str]| added(store, arguments).run();
    let sum = |text: &str| format!("sha256 = \"{}\"", Digest::of(text.as_bytes()));
    served.holds("/file", "one");
    assert_eq!(
        run(&first, &["lock", "--json"]).good().json()["changed"],
        true
    );
    let one = std::fs::read_to_string(&lock).unwrap();
    // Once, though two images take it; and not what has its checksum in the definition.
    assert_eq!(one.matches("[[address]]").count(), 1, "{one}");
    assert!(
        one.contains("of = \"http://127.0.0.1:47832/file\""),
        "{one}"
    );
    assert!(one.contains(&sum("one")), "{one}");

    served.holds("/file", "two");
    std::fs::write(&lock, one.replace(&sum("one"), &sum("never"))).unwrap();
    run(&second, &["build", "--locked"]).with(
        1,
        &[
            "`ADD http://127.0.0.1:47832/file` brings another file than `image.lock` says",
            "help: `lock --update` takes in",
        ],
    );
    // Where it was made, it is what is locked; and what is locked stays.
    std::fs::write(&lock, &one).unwrap();
    let built = run(&first, &["build", "--locked", "--json"]).good().json();
    assert_eq!(built[0]["built"], 0, "{built}");
    assert_eq!(
        run(&first, &["lock", "--json"]).good().json()["changed"],
        false
    );
    served.holds("/file", "one");
    run(&second, &["build", "--locked"]).good();
    served.holds("/file", "two");
    let call = added(&second, &["call", "added"]).env("IMAGE_LOCKED", "1");
    assert_eq!(call.run().good().stdout.trim(), "\"one\"");

    run(&first, &["lock", "--update"]).good();
    let two = std::fs::read_to_string(&lock).unwrap();
    assert_eq!(two, one.replace(&sum("one"), &sum("two")));
    run(&second, &["build", "--locked"]).good();

    // One that is not in it.
    std::fs::write(&lock, two.replace("47832/file", "47832/other")).unwrap();
    run(&second, &["build", "--locked"]).with(
        1,
        &[
            "address `http://127.0.0.1:47832/file` is not in it",
            "help: `lock` keeps",
        ],
    );
    let twice = two.replacen(
        "[[address]]",
        &format!(
            "[[address]]\nof = \"http://127.0.0.1:47832/file\"\n{}\n\n[[address]]",
            sum("")
        ),
        1,
    );
    std::fs::write(&lock, twice).unwrap();
    run(&second, &["build", "--locked"])
        .with(1, &["address `http://127.0.0.1:47832/file` is in it twice"]);
}
