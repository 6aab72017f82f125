//! Stores in bad places: read-only, somebody else's, full, on a file system that carries no layers. Mounts of these tests are in
//! a namespace of their own, and go with it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use crate::left;
use crate::world::{World, said};

/// A world, where this user may mount.
fn world() -> Option<World> {
    let is_root = rustix::process::geteuid().is_root();
    tests::engine_answers(is_root).then(World::new)?
}

/// Runs a script in which `$store` is the store and `program` the program.
fn script(world: &World, script: &str) -> Output {
    let program = world.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-ec"])
        .arg(format!("program() {{ \"$0\" \"$@\"; }}; {script}"))
        .arg(program.get_program())
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("store", world.store());
    command.output().unwrap()
}

#[track_caller]
fn fails_with(output: &Output, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[test]
fn a_read_only_store_is_an_error_that_says_so() {
    let Some(world) = world() else { return };
    world.answers();
    let bind = "mount --bind $store $store; mount -o remount,bind,ro $store; program";
    for work in ["call made", "build --no-cache", "prune"] {
        let output = script(&world, &format!("{bind} {work}"));
        fails_with(&output, &["read-only", "help: set `IMAGE_STORE`"]);
    }
    world.answers();
    left::nothing(&world);
}

#[test]
fn a_store_where_nothing_can_be_executed_is_told_before_anything_is_done() {
    let Some(world) = world() else { return };
    let mount = "mount -t tmpfs -o noexec,nosuid,nodev none $store; program";
    for work in ["call made", "doctor"] {
        let output = script(&world, &format!("{mount} {work}"));
        fails_with(&output, &["is mounted `noexec`", "set `IMAGE_STORE`"]);
    }
    left::nothing(&world);
}

#[test]
fn a_store_of_somebody_else_is_an_error_that_says_whose_it_is() {
    let Some(world) = world() else { return };
    world.answers();
    let mut command = world.command(&["call", "made"]);
    let output = command.uid(65534).gid(65534).output().unwrap();
    fails_with(
        &output,
        &["belongs to user 0", "this is user 65534", "help:"],
    );
    world.answers();
}

#[test]
fn a_full_store_is_an_error_and_works_on_when_there_is_space_again() {
    let Some(world) = world() else { return };
    let program = std::fs::metadata(world.command(&[]).get_program())
        .unwrap()
        .len()
        >> 10;
    // Full while files are copied, while the worker is made ready, while a command writes, while the last layers are stored.
    for kibibytes in [
        200,
        3000,
        6000,
        program + 6000,
        program + 9000,
        program + 12_000,
    ] {
        let output = script(
            &world,
            &format!(
                "mount -t tmpfs -o size={kibibytes}k tmpfs $store
                 program call made || echo failed: $?
                 mount -o remount,size=2g $store
                 program call made
                 program doctor --verify"
            ),
        );
        let text = said(&output);
        assert!(output.status.success(), "{kibibytes}: {text}");
        let failed = text.contains("failed: 1");
        let told =
            text.to_lowercase().contains("no space left") || text.contains("no space is left");
        assert!(failed == told, "{kibibytes}: {text}");
        assert!(failed || kibibytes > program, "{kibibytes}: {text}");
        assert!(text.contains(" false\""), "{kibibytes}: {text}");
    }
}

#[test]
fn a_file_system_that_carries_no_layers_is_an_error_that_says_what_does() {
    let Some(world) = world() else { return };
    let mounts = "mkdir -p $store/a $store/b $store/c $store/d
        mount -t overlay -o lowerdir=$store/a,upperdir=$store/b,workdir=$store/c overlay $store/d";
    let output = script(
        &world,
        &format!("{mounts}; IMAGE_STORE=$store/d program call made"),
    );
    fails_with(&output, &["set `IMAGE_STORE` to a directory on ext4"]);
}

#[test]
fn a_file_system_with_little_support_gives_an_error_or_the_right_answer() {
    let Some(world) = world() else { return };
    let text = world.write_new();
    let output = script(&world, "mount -t ramfs ramfs $store; program call made");
    match output.status.code() {
        Some(0) => assert!(said(&output).contains(&format!("\"{text} {text}{text} false\""))),
        _ => fails_with(&output, &["help:"]),
    }
}
