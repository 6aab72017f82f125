//! What an image puts around a function.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use image_runtime::{CallErrorKind, Image, app, image};

use crate::{DEBIAN, NOTHING};

const CONFIGURED: Image = image!(
    DEBIAN
        .env({ "GREETING": "hello world", "EMPTY": "" })
        .workdir("/srv/app")
        .run_commands("pwd > where", "echo $GREETING > greeting")
        .copy_local_dir("src", "/srv/src", ignore = ["*.tmp"])
        .copy_local_file("Cargo.toml", "/etc/copied/")
);
const PYTHON: Image =
    image!(debian_slim(python_version = "3.11").pip_install("six==1.16.0", "idna==3.7"));
const JQ: Image = image!(DEBIAN.apt_install("jq"));
const OLD: Image = {
    #[allow(deprecated, reason = "an old glibc is what is wanted")]
    const OLD: Image = image!(debian_slim(builder_version = "2023.12"));
    OLD
};

const SHELL: Image = image!(
    DEBIAN
        .entrypoint(["/bin/false"])
        .shell(["/bin/bash", "-euc"])
        .run_commands("[[ bash == b* ]] && false | true; echo ${BASH_VERSION%%.*} > /bash")
);

const AT_HOME: Image = image!(
    DEBIAN
        .run_commands("echo $HOME > /homes", "cd ~ && pwd >> /homes")
        .run_function(note_home)
        .dockerfile_commands("USER nobody\nRUN echo $HOME > /tmp/home\nUSER root")
        .env({ "HOME": "/srv" })
        .run_commands("echo $HOME >> /homes")
);

const NO_PACKAGE: Image = image!(DEBIAN.apt_install("no-such-package-anywhere"));
const NO_REQUIREMENT: Image =
    image!(debian_slim(python_version = "3.11").pip_install("six==99.99"));
const FAILING: Image =
    image!(DEBIAN.run_commands("echo one", "echo to stderr >&2; exit 42", "echo never"));

fn sh(line: &str) -> String {
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .output()
        .expect("the image has a shell");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[app::function(image = CONFIGURED, env = { "GREETING": "overridden", "EXTRA": "1" })]
fn in_configured(line: &str) -> String {
    sh(line)
}

#[app::function(image = PYTHON)]
fn in_python(line: &str) -> String {
    sh(line)
}

#[app::function(image = JQ)]
fn in_jq(line: &str) -> String {
    sh(line)
}

#[app::function(image = SHELL)]
fn in_shell(line: &str) -> String {
    sh(line)
}

#[app::function(image = DEBIAN)]
fn note_home() -> std::io::Result<()> {
    let mut homes = File::options().append(true).open("/homes")?;
    writeln!(homes, "{}", std::env::var("HOME").unwrap_or_default())
}

#[app::function(image = AT_HOME)]
fn in_at_home(line: &str) -> String {
    sh(line)
}

#[app::function(image = OLD)]
fn in_old(line: &str) -> String {
    sh(line)
}

#[app::function(image = NOTHING)]
fn root_entries() -> Vec<String> {
    let entries = std::fs::read_dir("/").expect("there is a root");
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[app::function(image = NO_PACKAGE)]
fn in_no_package() {}

#[app::function(image = NO_REQUIREMENT)]
fn in_no_requirement() {}

#[app::function(image = FAILING)]
fn in_failing() {}

#[app::test]
async fn environment_and_working_directory_are_the_images_and_the_functions() {
    let run = async |line: &str| in_configured::remote(line).await.unwrap();
    assert_eq!(run("pwd").await, "/srv/app");
    assert_eq!(run("cat where greeting").await, "/srv/app\nhello world");
    assert_eq!(
        run("echo $GREETING $EXTRA \"<$EMPTY>\"").await,
        "overridden 1 <>"
    );
}

#[app::test]
async fn what_runs_while_building_has_the_home_of_its_user_unless_the_image_says_another() {
    let homes = in_at_home::remote("cat /homes /tmp/home").await.unwrap();
    assert_eq!(homes, "/root\n/root\n/root\n/srv\n/nonexistent");
}

#[app::test]
async fn copied_files_are_where_they_were_copied_to() {
    let run = async |line: &str| in_configured::remote(line).await.unwrap();
    assert_eq!(
        run("ls /srv/src").await,
        "bin\ndaemon.rs\nlib.rs\nserved.rs"
    );
    assert_eq!(run("stat -c %u:%g /srv/src/lib.rs").await, "0:0");
    assert_eq!(
        run("head -2 /etc/copied/Cargo.toml | tail -1").await,
        "name = \"tests\""
    );
}

#[app::test]
async fn python_packages_are_there_and_nothing_of_their_download() {
    let run = async |line: &str| in_python::remote(line).await.unwrap();
    assert_eq!(
        run("python -c 'import six, idna; print(six.__version__)'").await,
        "1.16.0"
    );
    assert_eq!(
        run("python3 --version | cut -d. -f1,2").await,
        "Python 3.11"
    );
    assert_eq!(run("pip --version | cut -d' ' -f1").await, "pip");
    assert_eq!(
        run("find /root/.cache /var/lib/apt/lists /var/cache/apt -type f 2>/dev/null").await,
        ""
    );
}

#[app::test]
async fn debian_packages_are_there_and_nothing_of_their_download() {
    let run = async |line: &str| in_jq::remote(line).await.unwrap();
    assert_eq!(run("echo '{\"a\": 1}' | jq .a").await, "1");
    assert_eq!(
        run("find /var/lib/apt/lists /var/cache/apt /var/log -type f -size +0").await,
        ""
    );
    assert_eq!(run("ls -d /dev/image-runtime/apt 2>/dev/null").await, "");
}

#[app::test]
async fn commands_run_in_the_shell_that_the_image_names() {
    assert_eq!(in_shell::remote("cat /bash").await.unwrap(), "5");
}

#[app::test]
async fn an_image_with_an_older_glibc_runs_the_same_program() {
    assert_eq!(
        in_old::remote("cut -d. -f1 /etc/debian_version")
            .await
            .unwrap(),
        "11"
    );
}

#[app::test]
async fn an_image_from_scratch_holds_nothing() {
    let mut entries = root_entries::remote().await.unwrap();
    // What the container engine itself puts there.
    entries.retain(|entry| !["dev", "proc", "sys", "etc", ".dockerenv"].contains(&entry.as_str()));
    assert_eq!(entries, Vec::<String>::new());
}

#[app::test]
async fn a_failing_step_tells_its_command_its_exit_code_and_its_last_lines() {
    for (call, words) in [
        (
            in_no_package::remote(),
            &[
                "no-such-package-anywhere",
                "exit code 100",
                "Unable to locate package",
            ][..],
        ),
        (
            in_no_requirement::remote(),
            &[
                "six==99.99",
                "exit code 1",
                "no version of six==99.99",
                "help: look up which versions",
            ],
        ),
        (
            in_failing::remote(),
            &["FAILING", "exit code 42", "exit 42", "to stderr"],
        ),
    ] {
        let error = call.await.unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Build, "{error}");
        for word in words {
            assert!(
                error.to_string().contains(word),
                "`{word}` is not in: {error}"
            );
        }
        assert!(!error.to_string().contains("never\n"), "{error}");
    }
}

/// Images of one place: a macro expands there more than once.
macro_rules! marked {
    ($($image:ident $function:ident $text:literal;)*) => { $(
        const $image: Image = image!(DEBIAN.env({ "MARK": $text }));

        #[app::function(image = $image)]
        fn $function() -> String {
            std::env::var("MARK").unwrap_or_default()
        }
    )* };
}

marked! {
    LEFT in_left "left";
    RIGHT in_right "right";
}

#[app::test]
fn images_that_a_macro_makes_at_one_place_are_different_ones() {
    assert_eq!(in_left::remote().blocking().unwrap(), "left");
    assert_eq!(in_right::remote().blocking().unwrap(), "right");
}
