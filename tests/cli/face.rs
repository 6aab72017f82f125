//! What each command prints, where, and how it ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::support::{engine, engine_name, program, subject, tidy};

/// What a command says to people, when it ended with this code and printed nothing for programs.
#[track_caller]
fn said(arguments: &[&str], code: i32) -> String {
    let ended = subject(arguments).run().with(code, &[]);
    assert_eq!(ended.stdout, "", "{}", ended.stderr);
    tidy(&ended.stderr)
}

#[test]
fn without_a_command_the_body_of_main_runs() {
    let ended = subject(&[]).run().good();
    assert_eq!(ended.stdout, "the body of main\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn help_names_the_commands() {
    insta::assert_snapshot!(subject(&["--help"]).run().good().stdout);
}

#[test]
fn help_explains_what_doctor_and_prune_can_do() {
    insta::assert_snapshot!(subject(&["doctor", "--help"]).run().good().stdout);
    insta::assert_snapshot!(subject(&["prune", "--help"]).run().good().stdout);
}

#[test]
fn help_warns_of_secrets_where_they_are_not_hidden() {
    let help = subject(&["shell", "--help"]).run().good().stdout;
    assert!(help.contains("secrets are not masked"), "{help}");
}

#[test]
fn functions_are_listed() {
    insta::assert_snapshot!(said(&["functions"], 0));
}

#[test]
fn images_are_listed() {
    insta::assert_snapshot!(said(&["images"], 0));
}

#[test]
fn lists_are_there_for_programs_too() {
    let functions = subject(&["functions", "--json"]).run().good();
    assert_eq!(functions.stderr, "");
    assert_eq!(
        functions.json()[0],
        json!({
            "name": "add",
            "parameters": [{ "name": "a", "type": "i64" }, { "name": "b", "type": "i64" }],
            "result": "i64",
            "image": "NOTHING",
            "timeout_ms": null,
            "place": functions.json()[0]["place"],
        })
    );
    let images = subject(&["images", "--json"]).run().good();
    let broken = &images.json()[0];
    assert_eq!(
        (&broken["name"], &broken["base"], &broken["steps"]),
        (
            &json!("BROKEN"),
            &json!("debian_slim"),
            &json!(["run_commands"])
        )
    );
}

#[test]
fn what_is_not_there_is_named_with_what_there_is() {
    insta::assert_snapshot!(said(&["build", "NOPE"], 2), @r"
    error: no image is called `NOPE`
      help: this program has `BROKEN`, `DEBIAN`, `NOTHING`
    ");
    insta::assert_snapshot!(said(&["call", "nope"], 2), @r"
    error: no function is called `nope`
      help: this program has `add`, `counter.add`, `fail`, `in_broken`, `in_debian`, `print_lines`, `relay`, `sleep`
    ");
    insta::assert_snapshot!(said(&["nope"], 2), @r"
    error: unrecognized subcommand 'nope'

    Usage: subject [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
}

#[test]
fn names_that_are_nearly_right_are_told_alone() {
    insta::assert_snapshot!(said(&["call", "ad", "2", "3"], 2), @r"
    error: no function is called `ad`
      help: did you mean `add`?
    ");
    insta::assert_snapshot!(said(&["build", "debian"], 2), @r"
    error: no image is called `debian`
      help: did you mean `DEBIAN`?
    ");
}

#[test]
fn json_is_refused_where_it_would_change_nothing() {
    insta::assert_snapshot!(said(&["shell", "DEBIAN", "--json"], 2), @r"
    error: `shell` has no `--json`: it shows what is printed inside as it is. `call FUNCTION --json` prints a result as JSON

    Usage: subject [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(said(&["--json"], 2), @r"
    error: `--json` goes with a command: the body of `main` prints what it likes

    Usage: subject [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
}

#[test]
fn wrong_arguments_of_a_function_are_explained() {
    insta::assert_snapshot!(said(&["call", "add", "2"], 2), @r"
    error: 2 arguments wanted (`a`, `b`), 1 given
      help: add(a: i64, b: i64) -> i64
    ");
    insta::assert_snapshot!(said(&["call", "add", "2", "\"x\""], 2), @r#"
    error: argument `b`: invalid type: string "x", expected i64
      help: add(a: i64, b: i64) -> i64
    "#);
    insta::assert_snapshot!(said(&["call", "fail", "x"], 2), @r#"
    error: `x` is not JSON: expected value at line 1 column 1
      help: a string needs its quotes: '"x"'
    "#);
    insta::assert_snapshot!(said(&["call", "counter.add", "2"], 2), @r"
    error: the first argument of `counter.add` must be a JSON array: the arguments of `counter.new`
      help: counter.add([start: i64], number: i64) -> i64
    ");
    insta::assert_snapshot!(said(&["call", "counter.add", "[]", "2"], 2), @r"
    error: `counter.new`: 1 argument wanted (`start`), 0 given
      help: counter.add([start: i64], number: i64) -> i64
    ");
    insta::assert_snapshot!(said(&["call"], 2), @r"
    error: the following required arguments were not provided:
      <FUNCTION>

    Usage: subject call <FUNCTION> [ARGUMENTS]...

    For more information, try '--help'.
    ");
}

#[test]
fn a_call_prints_its_result_and_nothing_else() {
    if !engine() {
        return;
    }
    // The image is there then.
    subject(&["build", "NOTHING"]).run().good();
    let ended = subject(&["call", "add", "2", "-3"]).run().good();
    assert_eq!((&*ended.stdout, &*ended.stderr), ("-1\n", ""));
    let ended = subject(&["call", "--json", "sleep", "0"]).run().good();
    assert_eq!(ended.stdout, "null\n");
    assert!(ended.stderr.ends_with(" │ asleep\n"), "{}", ended.stderr);
}

#[test]
fn what_a_called_function_calls_in_turn_prints_under_its_own_name() {
    if !engine() {
        return;
    }
    let ended = subject(&["call", "relay", "0"]).run().good();
    assert_eq!(ended.stdout, "null\n");
    let line = |text: &str| {
        let lines = ended.stderr.lines().find(|line| line.ends_with(text));
        lines
            .unwrap_or_else(|| panic!("{}", ended.stderr))
            .to_owned()
    };
    assert!(
        line(" │ relaying").starts_with("relay/"),
        "{}",
        ended.stderr
    );
    assert!(line(" │ asleep").starts_with("sleep/"), "{}", ended.stderr);
}

#[test]
fn a_method_is_called_with_what_its_class_is_made_of_and_the_state_ends_with_the_program() {
    if !engine() {
        return;
    }
    let ended = subject(&["call", "counter.add", "[40]", "2"]).run().good();
    assert_eq!(ended.stdout, "42\n");
    assert!(ended.stderr.contains(" │ entering\n"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(" │ leaving at 42\n"),
        "{}",
        ended.stderr
    );
    let ended = subject(&[]).env("SUBJECT_DOES", "count").run().with(3, &[]);
    assert!(ended.stdout.ends_with("3\n"), "{}", ended.stdout);
    assert!(
        ended.stderr.contains(" │ leaving at 3\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_hundred_megabytes_that_a_function_prints_arrive_whole_and_in_order() {
    if !engine() {
        return;
    }
    const COUNT: usize = 100 * 1024;
    subject(&["build", "NOTHING"]).run().good();
    let ended = subject(&["call", "print_lines", &COUNT.to_string()])
        .run()
        .good();
    assert_eq!(ended.stdout, format!("{COUNT}\n"));
    let mut lines = 0;
    for (number, line) in ended.stderr.lines().enumerate() {
        let (_, printed) = line.split_once(" │ ").unwrap();
        assert_eq!(printed, format!("{number:01023}"));
        lines += 1;
    }
    assert_eq!(lines, COUNT);
}

#[test]
fn names_and_paths_that_cannot_be_are_wrong_usage() {
    for (arguments, said) in [
        (
            &["export", "NOTHING", "x.tar", "-t", "BAD:x:y"][..],
            "a name is `[registry/]path[:tag]`",
        ),
        (
            &["export", "NOTHING", "x.zip"],
            "the file of an image ends in `.tar`",
        ),
        (
            &["push", "NOTHING", "BADNAME"],
            "a name is `[registry/]path[:tag]`",
        ),
    ] {
        subject(arguments).run().with(2, &[said]);
    }
}

#[test]
fn names_that_are_not_there_are_errors_of_programs_too() {
    let ended = subject(&["render", "NOTHIN", "--json"]).run().with(2, &[]);
    let error = "no image is called `NOTHIN`\n  help: did you mean `NOTHING`?";
    assert_eq!(ended.json(), json!({ "errors": [error] }));
}

#[test]
fn a_call_that_fails_tells_the_functions_error() {
    if !engine() {
        return;
    }
    subject(&["build", "NOTHING"]).run().good();
    insta::assert_snapshot!(said(&["call", "fail", "\"the disk is shy\""], 1), @"error: the disk is shy");
}

#[test]
fn a_failed_build_shows_the_step_its_command_and_its_last_lines() {
    if !engine() {
        return;
    }
    // The base is there then.
    subject(&["call", "--quiet", "in_debian"]).run().good();
    insta::assert_snapshot!(said(&["build", "BROKEN"], 1), @r"
    [BROKEN 1/1] run_commands(echo about to fail; exit 9) …
    [BROKEN 1/1] │ about to fail
    [BROKEN 1/1] run_commands(echo about to fail; exit 9) failed after [time]
    error: step `run_commands(echo about to fail; exit 9)` of image `BROKEN` failed: exit code 9
      command: echo about to fail; exit 9
      | about to fail
    ");
    insta::assert_snapshot!(said(&["build", "BROKEN", "--quiet"], 1), @r"
    error: step `run_commands(echo about to fail; exit 9)` of image `BROKEN` failed: exit code 9
      command: echo about to fail; exit 9
      | about to fail
    ");
    // With `--json`, what fails prints its errors in place of a report.
    let failed = subject(&["build", "BROKEN", "--json"]).run().with(1, &[]);
    let error = "step `run_commands(echo about to fail; exit 9)` of image `BROKEN` failed: exit code 9\n  \
                 command: echo about to fail; exit 9\n  | about to fail";
    assert_eq!(failed.json(), json!({ "errors": [error] }));
    assert!(
        failed.stderr.ends_with(&format!("error: {error}\n")),
        "{}",
        failed.stderr
    );
    insta::assert_snapshot!(said(&["call", "in_broken", "--quiet"], 1), @r"
    error: step `run_commands(echo about to fail; exit 9)` of image `BROKEN` failed: exit code 9
      command: echo about to fail; exit 9
      | about to fail
    ");
}

#[test]
fn doctor_shows_what_there_is() {
    if !engine() {
        return;
    }
    let text = said(&["doctor"], 0);
    for word in [
        " engine ",
        &format!("{}: ", engine_name()),
        " chosen ",
        " platform ",
        " store ",
        "[store]/v1",
        " registry",
        "Debian archive",
    ] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    let report = subject(&["doctor", "--json"]).run().good().json();
    assert_eq!(report["engine"]["name"], engine_name());
    assert!(report["engine"]["version"].is_string(), "{report}");
    assert!(report["store"].is_string(), "{report}");
}

#[test]
fn doctor_verifies_layers_where_the_engine_has_files_of_its_own() {
    if !engine() {
        return;
    }
    let report = subject(&["doctor", "--verify", "--json"]).run().good();
    let layers = &report.json()["layers"];
    match engine_name() {
        "docker" => assert!(layers["nothing_to_verify"].is_string(), "{layers}"),
        _ => assert_eq!(layers["damaged"], json!([])),
    }
    let without = subject(&["doctor", "--json"]).run().good();
    assert_eq!(without.json().get("layers"), None);
}

#[test]
fn doctor_tells_what_is_missing_and_still_shows_the_rest() {
    let doctor = || {
        subject(&["doctor"])
            .env("IMAGE_ENGINE", "auto")
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("SSL_CERT_FILE", "/dev/null")
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
    };
    let text = tidy(&doctor().run().with(1, &[]).stderr);
    assert!(text.contains("✗ engine"), "{text}");
    for word in [
        "cannot reach Docker at unix:///nonexistent",
        "help: start it with",
        "✓ store",
        "HTTPS_PROXY",
    ] {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}

#[test]
fn prune_tells_what_it_removed() {
    if !engine() {
        return;
    }
    let text = said(&["prune"], 0);
    assert!(text.starts_with("removed "), "{text}");
    let report = subject(&["prune", "--json"]).run().good().json();
    assert!(
        report["layers"].is_u64() && report["containers"].is_u64(),
        "{report}"
    );
}

#[test]
fn prune_keeps_what_fits_into_a_size() {
    if !engine() {
        return;
    }
    let text = said(&["prune", "--keep", "1000TB"], 0);
    assert!(text.contains(" of layers are left"), "{text}");
    insta::assert_snapshot!(said(&["prune", "--keep", "much"], 2), @r"
    error: invalid value 'much' for '--keep <SIZE>': a size is a number with a unit: `20GB`, `1.5GiB`, `500MB`

    For more information, try '--help'.
    ");
    let both = said(&["prune", "--keep", "1GB", "--all"], 2);
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    for ended in [
        subject(&["--help"]).run(),
        subject(&["nope"]).env("NO_COLOR", "1").run(),
    ] {
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains('\u{1b}'));
    }
}

#[test]
fn a_stream_whose_reader_has_gone_ends() {
    if !engine() {
        return;
    }
    let ticking = program(env!("CARGO_BIN_EXE_deployed"), &["call", "tick"]);
    let mut ticking = ticking.command().stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut items = BufReader::new(ticking.stdout.take().unwrap());
    items.read_line(&mut first).unwrap();
    drop(items);
    assert_eq!(first, "0\n");
    assert!(ticking.wait().unwrap().success());
}

#[test]
fn a_result_that_cannot_be_written_is_told() {
    if !engine() {
        return;
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let adding = subject(&["call", "add", "2", "3"]);
    let output = adding.command().stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let words = "error: the result of `add` cannot be written: No space left on device";
    assert!(said.contains(words), "{said}");
}

#[test]
fn readers_that_went_away_are_no_failure() {
    for arguments in [
        &["functions"][..],
        &["--json", "functions"],
        &["--help"],
        &["nope"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = subject(arguments)
            .command()
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .status()
            .unwrap();
        let wanted = i32::from(arguments == ["nope"]) * 2;
        assert_eq!(status.code(), Some(wanted), "{arguments:?}: {status}");
    }
    // Nor streams that were closed from the beginning.
    let status = std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "exec \"$0\" functions >&- 2>&- <&-",
            env!("CARGO_BIN_EXE_subject"),
        ])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn volumes_are_listed_and_one_that_is_not_there_cannot_be_deleted() {
    if !engine() {
        return;
    }
    let listed = subject(&["volume", "list", "--json"]).run().good();
    assert!(listed.json().is_array(), "{}", listed.stdout);
    let said = said(&["volume", "delete", "../nothing"], 2);
    assert_eq!(
        said,
        "error: there is no volume `../nothing`\n  help: `volume list` lists those there are\n"
    );
}
