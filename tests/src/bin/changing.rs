//! A program whose images take in `cli/data/changing`: tests write there, so that layers are really built in every run.

use image_runtime::{Image, app, image};

const COPIED: Image = image!(
    scratch()
        .copy_local_file("cli/data/first.txt", "/first")
        .copy_local_dir("cli/data/changing", "/changing")
        .copy_local_file("cli/data/last.txt", "/last")
);
const PREFIX: Image = image!(
    debian_slim()
        .copy_local_dir("cli/data/changing", "/changing")
        .run_commands("sleep 1; echo made PREFIX")
);
const LEFT: Image = image!(PREFIX.run_commands("sleep 1; echo made LEFT"));
const RIGHT: Image = image!(PREFIX.run_commands("sleep 1; echo made RIGHT"));
const FORCED: Image = image!(
    COPIED
        .copy_local_file("cli/data/first.txt", "/forced", force_build = true)
        .copy_local_file("cli/data/first.txt", "/after")
);
/// Its command never ends where its secret, which makes no other layer, says so.
const SLOW: Image = image!(
    debian_slim()
        .copy_local_dir("cli/data/changing", "/changing")
        .run_commands(
            "echo started; while [ \"$IMAGE_TESTS_SLOW\" = forever ]; do sleep 0.1; done",
            secrets = [Secret::from_env("IMAGE_TESTS_SLOW")]
        )
);
const THERE: Image = image!(scratch().copy_local_file("cli/data/there.txt", "/there"));
#[allow(deprecated, reason = "the install is to be made anew")]
const PIP: Image = image!(
    debian_slim(python_version = "3.11")
        .copy_local_dir("cli/data/changing", "/changing")
        .pip_install("six==1.17.0")
);
#[allow(deprecated, reason = "the install is to be made anew")]
const APT: Image = image!(
    debian_slim()
        .copy_local_dir("cli/data/changing", "/changing")
        .apt_install("jq")
);
/// Its own process would end at once.
const CONFIGURED: Image = image!(
    THERE
        .cmd(["--first"])
        .entrypoint(["/bin/false", "--"])
        .shell(["/bin/bash", "-c"])
);
/// What its first `pip_install` needs can be downloaded while the command runs; what the second needs is made by the command.
#[allow(deprecated, reason = "the wheel is what is installed")]
const AHEAD: Image = image!(
    debian_slim(python_version = "3.11")
        .copy_local_file("cli/data/sample-1.0-py3-none-any.whl", "/wheels/")
        .run_commands("sleep 3; mv /wheels /later; echo slept", force_build = true)
        .pip_install("six==1.17.0")
        .pip_install("sample==1.0", find_links = "/later")
);

const NO_PYTHON: Image = image!(scratch().copy_local_file("cli/data/there.txt", "/there"));
const PIP_WITHOUT_PYTHON: Image = image!(NO_PYTHON.pip_install("six==1.17.0"));

const STAGED: Image = image!(from_dockerfile(
    "cli/data/changing.Dockerfile",
    context_dir = "cli/data/changing"
));

#[app::function(image = STAGED)]
fn in_staged() {}

#[app::function(image = COPIED)]
fn in_copied() -> String {
    std::fs::read_to_string("/changing/generated").unwrap_or_default()
}

#[app::function(image = LEFT)]
fn in_left() {}

#[app::function(image = RIGHT)]
fn in_right() {}

#[app::function(image = FORCED)]
fn in_forced() {}

#[app::function(image = SLOW)]
fn in_slow() {}

#[app::function(image = THERE)]
fn in_there() {}

#[app::function(image = CONFIGURED)]
fn in_configured() -> bool {
    std::path::Path::new("/there").exists()
}

#[app::function(image = AHEAD)]
fn in_ahead() {}

#[app::function(image = PIP)]
fn in_pip() {}

#[app::function(image = APT)]
fn in_apt() {}

#[app::function(image = PIP_WITHOUT_PYTHON)]
fn in_pip_without_python() {}

/// Two threads make two images with a common prefix.
#[app::main]
fn main() {
    std::thread::scope(|scope| {
        let left = scope.spawn(|| in_left::remote().blocking());
        let right = scope.spawn(|| in_right::remote().blocking());
        for done in [left.join(), right.join()] {
            done.expect("no thread panics").expect("both are built");
        }
    });
}
