//! A program whose image is locked: versions that nobody wrote down.

use std::process::Command;

use image_runtime::{Image, app, image};

#[allow(deprecated, reason = "what is not pinned is to be locked")]
const LOCKED: Image = image!(
    debian_slim(python_version = "3.11")
        .env({ "EDITOR": "none" })
        .apt_install("jq")
        .pip_install("python-dateutil")
        .run_commands("touch /touched")
);

/// A package of no index.
const DIRECT: Image = image!(
    debian_slim(python_version = "3.11")
        .copy_local_file(
            "cli/data/direct-1.0-py3-none-any.whl",
            "/wheels/direct-1.0-py3-none-any.whl"
        )
        .pip_install("direct @ file:///wheels/direct-1.0-py3-none-any.whl")
);

/// Which version it is, and what comes with it, is a matter of options.
#[allow(deprecated, reason = "what is not pinned is to be locked")]
const OPTIONED: Image = image!(
    debian_slim(python_version = "3.11")
        .copy_local_file(
            "cli/data/direct-1.0-py3-none-any.whl",
            "/wheels/direct-1.0-py3-none-any.whl"
        )
        .copy_local_file(
            "cli/data/direct-2.0rc1-py3-none-any.whl",
            "/wheels/direct-2.0rc1-py3-none-any.whl"
        )
        .pip_install(
            "direct",
            find_links = "/wheels",
            pre = true,
            extra_options = "--no-index --no-deps --reinstall"
        )
);

/// What it holds was installed in a stage that it copies from.
const STAGED: Image = image!(from_dockerfile("cli/data/stages.Dockerfile"));

#[app::function(image = DIRECT)]
fn in_direct() {}

#[app::function(image = OPTIONED)]
fn in_optioned() -> String {
    let said = Command::new("python3")
        .args([
            "-c",
            "import importlib.metadata as m; print(m.version('direct'))",
        ])
        .output();
    String::from_utf8_lossy(&said.expect("the image has Python").stdout).into_owned()
}

#[app::function(image = STAGED)]
fn in_staged() {}

/// What the image's own tools say it holds.
#[app::function(image = LOCKED)]
fn packages() -> String {
    let tools = [
        ["dpkg-query", "-W"].as_slice(),
        &["python3", "-m", "pip", "freeze", "--all"],
        &["apt-mark", "showmanual"],
    ];
    let said = tools.map(|words| {
        let output = Command::new(words[0]).args(&words[1..]).output();
        String::from_utf8_lossy(&output.expect("the image has these tools").stdout).into_owned()
    });
    said.join("\n")
}

#[app::main]
fn main() {}
