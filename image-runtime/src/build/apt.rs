//! Debian packages: the commands that install them, and the cache that keeps them between builds.

use super::network::CERTIFICATES_INSIDE;
use super::steps::{command, hold, shell};
use super::{BuildError, Builder};
use crate::engine::Mount;
use crate::event::Work;
use crate::plan::{Holdings, PlannedLayer};
use crate::protocol::Command;

const CACHE: &str = "/dev/image-runtime/apt";
/// The lock of apt's cache, so that no container of this store is started only to wait for it.
pub(super) const LOCK: &str = "cache-apt";
/// What apt and dpkg write beside the packages: records of when, and copies of what was there before.
const LEFTOVERS: &str = "rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log \
    /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old";

impl Builder {
    /// apt allows one process at a time in its cache.
    pub(super) async fn lock_apt(
        &self,
        layer: &PlannedLayer,
    ) -> Result<crate::store::Lock, BuildError> {
        let locks = self.store.locks();
        let lock = locks.lock(LOCK, || {});
        Ok(self.timed(layer.id, Work::Waiting, lock).await?)
    }
}

pub(super) fn cache() -> Mount {
    Mount::Cache {
        name: "apt".into(),
        target: CACHE.into(),
    }
}

/// Installs the packages of a layer: those that are locked, where they are.
pub(super) fn install_as_locked(layer: &PlannedLayer, packages: &[&str]) -> Vec<Command> {
    match &layer.pins {
        Some(pins) => install_pinned(pins, packages),
        None => install(packages),
    }
}

/// The same for packages of one version each, those that these need among them. What nobody asked for stays marked as such.
fn install_pinned(pins: &Holdings, asked: &[&str]) -> Vec<Command> {
    if pins.apt.is_empty() {
        return Vec::new();
    }
    let pinned: Vec<_> = pins.apt.iter().map(String::as_str).collect();
    let mut commands = install(&pinned);
    let names = pinned.iter().filter_map(|pin| pin.split_once('='));
    let is_asked = |name: &str| {
        let mut asked = asked.iter().map(|asked| asked.split(['=', ':']).next());
        asked.any(|asked| asked == name.split(':').next())
    };
    let others: Vec<_> = names
        .map(|(name, _)| name)
        .filter(|name| !is_asked(name))
        .collect();
    if !others.is_empty() {
        let mark = command(&[&["apt-mark", "-q", "auto"], &others[..]].concat());
        commands.insert(commands.len() - 1, mark);
    }
    commands
}

/// Lists and packages stay in the cache; nothing is recommended into the image; what apt notes besides is removed.
fn install(packages: &[&str]) -> Vec<Command> {
    let mut clean = shell(LEFTOVERS);
    clean.workdir = "/".into();
    let install = ["install", "-y", "--no-install-recommends"];
    let mut commands = update();
    commands.extend([apt(&[&install, packages].concat()), clean]);
    commands
}

/// Packages come into the cache, and are not installed.
pub(super) fn fetch(packages: &[&str]) -> Vec<Command> {
    let fetch = [
        "install",
        "-y",
        "--no-install-recommends",
        "--download-only",
    ];
    let mut commands = update();
    commands.push(apt(&[&fetch, packages].concat()));
    commands
}

/// Lists come into the cache.
fn update() -> Vec<Command> {
    let mut make_cache = shell(&format!(
        "mkdir -p {CACHE}/lists/partial {CACHE}/archives/partial"
    ));
    make_cache.workdir = "/".into();
    vec![hold(CACHE), make_cache, apt(&["update"])]
}

fn apt(arguments: &[&str]) -> Command {
    let options = [
        &format!("Dir::State::lists={CACHE}/lists"),
        &format!("Dir::Cache::archives={CACHE}/archives"),
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
        "APT::Sandbox::User=root",
        "APT::Keep-Downloaded-Packages=true",
        "Dpkg::Use-Pty=0",
        "Dpkg::Options::=--force-unsafe-io",
        "Dpkg::Options::=--force-confold",
        &format!("Acquire::https::CaInfo={CERTIFICATES_INSIDE}"),
        "Acquire::Retries=3",
        // Else an update that reached nothing is a good one, and the install then knows no package. apt 2.1 and later.
        "APT::Update::Error-Mode=any",
    ];
    let options = options.into_iter().flat_map(|option| ["-o", option]);
    let words: Vec<_> = ["apt-get", "-q"].into_iter().chain(options).collect();
    let mut apt = command(&[&words, arguments].concat());
    apt.env = vec![("DEBIAN_FRONTEND".into(), "noninteractive".into())];
    apt.workdir = "/".into();
    apt
}
