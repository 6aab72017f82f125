//! Mounts of a configuration, as steps of the sandbox.

use std::path::Path;

use anyhow::{Result, bail};
use image_runtime::engine::embedded::sandbox::{Act, Bind, ORDINARY, Steps, text};
use libc::{
    MS_BIND, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY,
    MS_REC, MS_RELATIME, MS_REMOUNT, MS_SHARED, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS,
    MS_UNBINDABLE,
};

use crate::config::Mount;

/// What the options of a mount say.
#[derive(Debug, Default)]
struct Options {
    flags: libc::c_ulong,
    is_bind: bool,
    propagation: Option<libc::c_ulong>,
    /// For the file system.
    data: Vec<String>,
}

impl Options {
    fn of(mount: &Mount, told: &mut Vec<String>) -> Result<Self> {
        let mut options = Self {
            is_bind: mount.kind.as_deref() == Some("bind"),
            ..Self::default()
        };
        for option in mount.options.iter().flatten() {
            let flag = match option.as_str() {
                "ro" | "rro" => MS_RDONLY,
                "nosuid" | "rnosuid" => MS_NOSUID,
                "nodev" | "rnodev" => MS_NODEV,
                "noexec" => MS_NOEXEC,
                "noatime" => MS_NOATIME,
                "nodiratime" => MS_NODIRATIME,
                "relatime" => MS_RELATIME,
                "strictatime" => MS_STRICTATIME,
                "sync" => MS_SYNCHRONOUS,
                "bind" | "rbind" => {
                    options.is_bind = true;
                    0
                }
                // What is not forbidden, a copied mount has.
                "rw" | "exec" | "defaults" | "rrw" | "rexec" | "atime" | "diratime" => 0,
                "suid" | "rsuid" | "dev" | "rdev" => {
                    told.push(format!(
                        "mounts of `{}` have no `{option}`",
                        mount.destination
                    ));
                    0
                }
                word => match propagation(word) {
                    Some(kind) => {
                        options.propagation = Some(kind);
                        0
                    }
                    None => {
                        options.data.push(word.to_owned());
                        0
                    }
                },
            };
            options.flags |= flag;
        }
        // Devices work only where they are shown, and nothing gains privileges by what it executes.
        options.flags |= MS_NODEV | MS_NOSUID;
        Ok(options)
    }
}

/// How mounts are passed on, by its name in a configuration.
pub(crate) fn propagation(word: &str) -> Option<libc::c_ulong> {
    let (word, recursive) = match word.strip_prefix('r') {
        Some(rest) => (rest, MS_REC),
        None => (word, 0),
    };
    let kind = match word {
        "private" => MS_PRIVATE,
        "shared" => MS_SHARED,
        "slave" => MS_SLAVE,
        "unbindable" => MS_UNBINDABLE,
        _ => return None,
    };
    Some(kind | recursive)
}

/// One mount. What is done otherwise than asked is `told`.
pub(crate) fn add(steps: &mut Steps, mount: &Mount, told: &mut Vec<String>) -> Result<()> {
    let options = Options::of(mount, told)?;
    let target = mount.destination.as_str();
    let why = "mounting what the configuration names";
    let source = mount.source.as_deref().unwrap_or("none");
    let is_file = options.is_bind && Path::new(source).is_file();
    for (at, _) in target.match_indices('/').skip(1) {
        steps.add(why, Act::Directory(text(&target[..at])?));
    }
    steps.add(
        if matches!(target, "/proc" | "/sys") {
            ORDINARY
        } else {
            why
        },
        match target {
            "/proc" | "/sys" => Act::MountPoint(text(target)?),
            _ if is_file => Act::File(text(target)?),
            _ => Act::Directory(text(target)?),
        },
    );
    if options.is_bind {
        if !options.data.is_empty() {
            bail!("`{target}`: a bind mount has no options {:?}", options.data);
        }
        steps.bind(&Bind {
            source: source.into(),
            target: target.to_owned(),
            read_only: options.flags & MS_RDONLY != 0,
        })?;
        let more = options.flags & !MS_RDONLY & !MS_NODEV & !MS_NOSUID;
        if more != 0 {
            let flags = MS_REMOUNT | MS_BIND | options.flags;
            steps.mount(why, ["", "none", target], flags, "", false)?;
        }
    } else {
        let kind = mount.kind.as_deref().unwrap_or("none");
        let words = [kind, source, target];
        steps.mount(why, words, options.flags, &options.data.join(","), false)?;
    }
    if let Some(kind) = options.propagation {
        steps.mount(why, ["", "none", target], kind, "", false)?;
    }
    Ok(())
}
