//! A chain of packages on a base that is there: Debian's `git` and `curl`, then `numpy` and `pandas`. The peer is `docker build`
//! of the Dockerfile that a person would write, with pip. Both reach the network each time; ours keeps what it downloaded, as
//! it does for users.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::{Row, Tagged, docker, in_turn, median, run, time_of};
use crate::subject::{ENGINES, Subject};

const TAG: &str = "image-runtime-bench-chain";

/// What a machine behind a proxy needs in `docker build`; programs read some of them in one case only.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

pub(crate) fn of_packages() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let mut peer = peer(&Subject::docker_image("PYTHON")?, folder.path())?;
    let mut rows = Vec::new();
    for engine in ENGINES {
        let [debug, release] = Subject::both(engine)?;
        let mut debug = debug.command(&["build", "CHAIN"]);
        let mut release = release.command(&["build", "CHAIN"]);
        // The base, and the first downloads.
        run(&mut release)?;
        let _tagged = Tagged(TAG);
        let [debug, release, against] = in_turn(
            3,
            [
                &mut || time_of(&mut debug),
                &mut || time_of(&mut release),
                &mut || time_of(&mut peer),
            ],
        )?;
        rows.push(Row {
            what: "apt `git curl`, pip `numpy pandas`",
            engine,
            peer: "`docker build --no-cache`",
            against,
            debug,
            release: Some(release),
            goal: 0.5,
        });
    }
    Ok(rows)
}

/// What such a build takes beyond the package managers' own time, which is the peer.
pub(crate) fn beyond_packages() -> Result<Vec<Row>> {
    let [debug, release] = Subject::both("embedded")?;
    let build = ["build", "CHAIN", "--json", "--timings"];
    let (mut debug, mut release) = (debug.command(&build), release.command(&build));
    // The base, and the first downloads.
    run(&mut release)?;
    let mut inside = Vec::new();
    let [debug, release] = in_turn(
        5,
        [&mut || Ok(spent(&mut debug)?.1), &mut || {
            let (commands, beyond) = spent(&mut release)?;
            inside.push(commands);
            Ok(beyond)
        }],
    )?;
    Ok(vec![Row {
        what: "the same, beyond apt's and pip's own time",
        engine: "embedded",
        peer: "that time",
        against: median(inside),
        debug,
        release: Some(release),
        goal: 0.05,
    }])
}

/// How long the commands of a build took, and how long all else, as it says itself.
fn spent(build: &mut Command) -> Result<(Duration, Duration)> {
    let report: serde_json::Value = serde_json::from_str(&run(build)?)?;
    let timings = &report["timings"];
    let layers = timings["layers"].as_array().context("no layers are told")?;
    let commands = layers
        .iter()
        .filter_map(|layer| layer["commands"].as_f64())
        .sum();
    let whole = timings["whole"].as_f64().context("no time is told")?;
    Ok((
        Duration::from_secs_f64(commands),
        Duration::from_secs_f64(whole - commands),
    ))
}

fn peer(base: &str, folder: &Path) -> Result<Command> {
    let mut lines = format!("FROM {base}\n");
    if let Some(certificates) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from) {
        std::fs::copy(certificates, folder.join("certificates.pem"))?;
        lines += "COPY certificates.pem /\nENV PIP_CERT=/certificates.pem\n";
    }
    lines += "RUN apt-get update && apt-get install -y --no-install-recommends git curl && rm -rf /var/lib/apt/lists/*\n\
        RUN pip install --break-system-packages --no-cache-dir numpy==2.2.6 pandas==2.2.3\n\
        ENV PYTHONUNBUFFERED=1\nWORKDIR /app\n";
    std::fs::write(folder.join("Dockerfile"), lines)?;
    let mut peer = docker(&[
        "build",
        "--quiet",
        "--no-cache",
        "--network=host",
        "--tag",
        TAG,
    ]);
    for name in PROXIES
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
    {
        peer.args(["--build-arg", name]);
    }
    peer.arg(folder);
    Ok(peer)
}
