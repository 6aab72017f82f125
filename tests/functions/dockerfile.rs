//! Dockerfiles: their instructions are layers, and functions run in what they make.

use std::process::Command;

use image_runtime::{Image, app, image};

use crate::DEBIAN;

const PLAIN: Image = image!(from_dockerfile(
    "./functions/dockerfiles/plain.Dockerfile",
    build_args = { "SUITE": "bookworm", "GREETING": "good day" }
));
const COMMANDS: Image = image!(
    DEBIAN
        .env({ "A": "1" })
        .dockerfile_commands(
            "ARG B=$A$A\nENV C=${B}2",
            "RUN echo $A $B $C > /numbers",
            "COPY lib.rs /copied",
            context_dir = "src"
        )
        .run_commands("echo \"[$B] $C\" > /after")
);

fn sh(line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", line]).output();
    let output = output.expect("the image has a shell");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[app::function(image = PLAIN)]
fn in_plain(line: &str) -> String {
    sh(line)
}

#[app::function(image = COMMANDS)]
fn in_commands(line: &str) -> String {
    sh(line)
}

#[app::test]
async fn a_dockerfile_is_built_and_a_function_runs_in_it() {
    let run = async |line: &str| in_plain::remote(line).await.unwrap();
    assert_eq!(run("cut -d. -f1 /etc/debian_version").await, "12");
    assert_eq!(run("pwd; id -un").await, "/srv/app/work\napp");
    assert_eq!(run("cat ../said").await, "good day world\nroot");
    assert_eq!(run("echo $TEXT $GREETING").await, "good day, world");
    assert_eq!(run("cat /etc/motd").await, "text: good day, world");
    assert_eq!(run("cat ../heredoc").await, "first\ngood day");
    assert_eq!(run("ls ../copied").await, "Cargo.toml\ndockerfile.rs\nfailures.rs\nimages.rs\nmain.rs\noutput.rs\nvalues.rs");
    assert_eq!(run("ls /srv/src; stat -c %u /srv/src/lib.rs").await, "bin\nlib.rs\n0");
}

#[app::test]
async fn instructions_follow_other_steps_and_their_arguments_end_with_them() {
    let run = async |line: &str| in_commands::remote(line).await.unwrap();
    assert_eq!(run("cat /numbers").await, "1 11 112");
    assert_eq!(run("cat /after").await, "[] 112");
    assert_eq!(run("head -1 /copied").await, "//! Support of the tests.");
}
