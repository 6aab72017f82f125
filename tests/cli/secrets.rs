//! Secrets reach what names them, and nothing else: not the store, not a line that is printed, not an error.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Changing, Program, data, engine, engine_name, program, store, subject};

/// A value that was never anywhere.
fn token() -> String {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    format!("tok+{}", random.trim())
}

fn secretive(arguments: &[&str], token: &str) -> Program {
    program(env!("CARGO_BIN_EXE_secretive"), arguments).env("IMAGE_TESTS_TOKEN", token)
}

/// The files of the store that hold one of these texts, but for the store of secrets.
fn holding(texts: &[&str]) -> String {
    let mut grep = Command::new("grep");
    grep.args([
        "--recursive",
        "--text",
        "--fixed-strings",
        "--files-with-matches",
    ])
    .args(["--no-messages", "--devices=skip", "--exclude-dir=secrets"]);
    for text in texts {
        grep.args(["-e", text]);
    }
    let output = grep.arg(store()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_build_is_given_its_secrets_and_leaves_none_of_them() {
    if !engine() {
        return;
    }
    let _files = Changing::take();
    let (token, named, filed) = (token(), token(), token());
    let file = data("changing/generated.env");
    fs::write(&file, format!("FILED='{filed}'\n")).unwrap();
    let given = format!("NAMED={named}");
    let create = ["secret", "create", "image-runtime-tests", &given, "--force"];
    subject(&create).run().good();

    let built = secretive(&["build", "TOLD"], &token).run().good();
    assert_eq!(
        built.stderr.matches("│ <***>").count(),
        3,
        "{}",
        built.stderr
    );
    let call = secretive(&["call", "environment"], &token).run().good();
    assert!(call.stdout.contains("PATH"), "{}", call.stdout);
    for name in ["IMAGE_TESTS_TOKEN", "NAMED", "FILED"] {
        assert!(!call.stdout.contains(name), "{name}: {}", call.stdout);
    }
    fs::remove_file(&file).unwrap();
    subject(&["secret", "delete", "image-runtime-tests"])
        .run()
        .good();
    let texts = [&*token, &*named, &*filed];
    for text in texts {
        assert!(!built.stderr.contains(text) && !call.stderr.contains(text));
    }
    if engine_name() == "embedded" {
        assert_eq!(holding(&texts), "");
    }
}

#[test]
fn what_fails_does_not_tell_its_secret() {
    if !engine() {
        return;
    }
    let token = token();
    let failed = secretive(&["build", "FAILING"], &token).run();
    let failed = failed.with(1, &["exit code 3", "<***>", "exit 3"]);
    assert!(!failed.stderr.contains(&token), "{}", failed.stderr);
    let call = secretive(&["call", "given", "true"], &token).run();
    let call = call.with(1, &["<***>"]);
    assert!(!call.stderr.contains(&token), "{}", call.stderr);
    let call = secretive(&["call", "given", "false"], &token).run().good();
    assert_eq!(call.stdout.trim(), token.len().to_string());
    assert!(call.stderr.contains("<***>"), "{}", call.stderr);
}

#[test]
fn a_secret_that_is_missing_is_told_before_anything_runs() {
    if !engine() {
        return;
    }
    let build = program(
        env!("CARGO_BIN_EXE_secretive"),
        &["build", "TOLD", "FAILING"],
    );
    let ended = build.run().with(
        1,
        &[
            "step `run_commands(",
            "of image `FAILING` cannot be made: the secret `IMAGE_TESTS_TOKEN` is missing",
            "help: set `IMAGE_TESTS_TOKEN`",
        ],
    );
    assert!(!ended.stderr.contains("│"), "{}", ended.stderr);
    let call = program(env!("CARGO_BIN_EXE_secretive"), &["call", "given", "true"]);
    call.run().with(
        1,
        &["`given` cannot be called: the secret `IMAGE_TESTS_TOKEN` is missing"],
    );
}

/// A package index with two packages, for who knows the token.
fn serve(token: &str, refused: &Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let right = base64(format!("user:{token}").as_bytes());
    let refused = Arc::clone(refused);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &right, &refused);
        }
    });
    host
}

fn answer(mut stream: TcpStream, right: &str, refused: &AtomicUsize) -> std::io::Result<()> {
    const SAMPLE: &[u8] = include_bytes!("data/sample-1.0-py3-none-any.whl");
    const DIRECT: &[u8] = include_bytes!("data/direct-1.0-py3-none-any.whl");
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let headers: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let allowed = headers
        .iter()
        .any(|line| line.to_lowercase().starts_with("authorization:") && line.contains(right));
    let page = b"<a href=\"/sample-1.0-py3-none-any.whl\">sample-1.0-py3-none-any.whl</a>";
    let (status, kind, body): (_, _, &[u8]) = match request.split(' ').nth(1) {
        _ if !allowed => {
            refused.fetch_add(1, Ordering::Relaxed);
            (
                "401 Unauthorized\r\nWWW-Authenticate: Basic",
                "text/html",
                b"",
            )
        }
        Some("/simple/sample/") => ("200 OK", "text/html", page),
        Some("/sample-1.0-py3-none-any.whl") => ("200 OK", "application/zip", SAMPLE),
        Some("/direct-1.0-py3-none-any.whl") => ("200 OK", "application/zip", DIRECT),
        _ => ("404 Not Found", "text/html", b""),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(if request.starts_with("HEAD") {
        b""
    } else {
        body
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |number, index| {
            number << 8 | usize::from(chunk.get(index).copied().unwrap_or(0))
        });
        for index in 0..4 {
            let digit = DIGITS[number >> (18 - 6 * index) & 63];
            text.push(if index <= chunk.len() {
                digit.into()
            } else {
                '='
            });
        }
    }
    text
}

#[test]
fn a_private_index_is_reached_with_a_secret_that_no_file_keeps() {
    // Containers of a daemon do not reach this process.
    if !engine() || !tests::is_for("the embedded engine", engine_name() == "embedded") {
        return;
    }
    let token = token();
    let refused = Arc::new(AtomicUsize::new(0));
    let host = serve(&token, &refused);
    let build = secretive(&["build", "PRIVATE"], &token).env("IMAGE_TESTS_HOST", &host);
    let built = build.run().good();
    let encoded = token.replace('+', "%2B");
    let basic = base64(format!("user:{token}").as_bytes());
    let texts = [&*token, &*encoded, &*basic];
    assert!(
        !texts.iter().any(|text| built.stderr.contains(text)),
        "{}",
        built.stderr
    );
    assert_eq!(holding(&texts), "");

    let build = secretive(&["build", "PRIVATE"], "wrong").env("IMAGE_TESTS_HOST", &host);
    build.run().with(1, &["***"]);
    assert!(refused.load(Ordering::Relaxed) > 0);
}

#[test]
fn secrets_are_kept_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |arguments: &[&str]| {
        let arguments = [&["secret"], arguments].concat();
        subject(&arguments)
            .env("IMAGE_STORE", folder.path())
            .env("FROM_HERE", "hunter2")
    };
    let created = secret(&["create", "mine", "A=hunter2", "FROM_HERE"])
        .run()
        .good();
    assert_eq!(
        created.stderr,
        "created the secret `mine`: 2 variables, A, FROM_HERE\n"
    );
    let file = folder.path().join("secrets/mine.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept, json!({ "A": "hunter2", "FROM_HERE": "hunter2" }));

    secret(&["create", "mine", "A=b"])
        .run()
        .with(1, &["there is a secret `mine` already", "`--force`"]);
    let listed = secret(&["list"]).run().good();
    insta::assert_snapshot!(listed.stderr, @r"
    SECRET  VARIABLES
    mine    A, FROM_HERE
    ");
    let rows = secret(&["--json", "list"]).run().good();
    assert_eq!(rows.json()[0]["variables"], json!(["A", "FROM_HERE"]));
    assert!(!rows.stdout.contains("hunter2"));
    secret(&["delete", "mine"]).run().good();
    secret(&["delete", "mine"])
        .run()
        .with(2, &["there is no secret `mine`", "`secret list` lists"]);
    let listed = secret(&["list"]).run().good();
    assert_eq!(listed.stderr, "there is no secret\n");
    for (wrong, said) in [
        (&["create", "../x", "A=b"][..], "not a name of a secret"),
        (&["create", "x"], "at least one variable"),
        (
            &["create", "x", "NOT_SET_ANYWHERE"],
            "no variable `NOT_SET_ANYWHERE` is set",
        ),
        (
            &["create", "x", "A-B=c"],
            "not a name of an environment variable",
        ),
    ] {
        secret(wrong).run().with(2, &[said]);
    }
    assert_eq!(
        fs::read_dir(folder.path().join("secrets")).unwrap().count(),
        0
    );
}
