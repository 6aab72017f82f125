//! A bundle's configuration as steps of the sandbox.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use image_runtime::engine::embedded::cgroup::Entrance;
use image_runtime::engine::embedded::sandbox::{Act, Bind, Form, Identity, Start, Steps, text};
use libc::{MS_BIND, MS_NODEV, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT};

use crate::config::{Config, Device, Linux, Mapping};
use crate::{capabilities, mounts};

/// Where the process tells that it was made, and where it waits for `start`.
pub(crate) struct Waiting {
    pub(crate) report: OwnedFd,
    pub(crate) fifo: OwnedFd,
}

/// All that the container's process does. What of the configuration is not followed is added to `told`.
pub(crate) fn steps(
    config: &Config,
    bundle: &Path,
    groups: Vec<Entrance>,
    stdio: [OwnedFd; 3],
    waiting: Waiting,
    told: &mut Vec<String>,
) -> Result<(Steps, Start)> {
    let (process, linux) = (&config.process, &config.linux);
    let own = Own::of(linux)?;
    let form = if own.users { Form::User } else { Form::Root };
    let rootfs = fs::canonicalize(bundle.join(&config.root.path)).context("`root.path`")?;
    ensure!(
        rootfs != Path::new("/"),
        "`root.path` must not be this machine's root"
    );
    let mut steps = Steps::default();
    steps.enter_cgroups(&groups);
    if own.users {
        steps.map_user()?;
    }
    let root = rootfs.to_str().context("`root.path` must be UTF-8")?;
    let why = "mounting the root";
    steps.mount(why, ["", "none", "/"], MS_REC | MS_PRIVATE, "", false)?;
    steps.mount(why, ["", root, root], MS_BIND | MS_REC, "", false)?;
    steps.add(why, Act::Enter(text(root)?));
    steps.change_root();
    // In a user namespace `/proc` is given to who sees one already.
    if !own.users {
        steps.leave_old_root();
    }
    for mount in &config.mounts {
        if mount.kind.as_deref() == Some("cgroup") {
            steps.show_cgroups(&groups)?;
        } else {
            mounts::add(&mut steps, mount, told)?;
        }
    }
    let mounted = |path| config.mounts.iter().any(|mount| mount.destination == path);
    ensure!(mounted("/proc"), "`mounts`: `/proc` must be among them");
    if mounted("/dev") {
        steps.show_devices()?;
    }
    for device in linux.devices.iter().flatten() {
        steps.bind(&shown(device)?)?;
    }
    if own.users {
        steps.leave_old_root();
    }
    name(&mut steps, config)?;
    if own.network {
        steps.add("switching the loopback device on", Act::Loopback);
    }
    steps.enter_workdir(&process.cwd)?;
    hide(&mut steps, linux, &rootfs)?;
    if config.root.readonly {
        let flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID;
        steps.mount("protecting the root", ["", "none", "/"], flags, "", false)?;
    }
    if let Some(word) = &linux.rootfs_propagation {
        let kind = mounts::propagation(word).context("`linux.rootfsPropagation`")?;
        steps.mount("passing mounts on", ["", "none", "/"], kind, "", false)?;
    }
    let identity = Identity {
        uid: process.user.uid,
        gid: process.user.gid,
        groups: process.user.additional_gids.clone().unwrap_or_default(),
        home: None,
    };
    let asked = process.capabilities.as_ref();
    let capabilities = asked.map_or(Ok(0), |asked| capabilities::set(asked, told))?;
    if identity.uid != 0 && capabilities != 0 {
        told.push("users other than root have no capabilities".to_owned());
    }
    steps.become_user(&identity, form, capabilities);
    wait(&mut steps, waiting)?;
    steps.finish(groups, stdio, form)?;
    if !process.no_new_privileges {
        told.push("`noNewPrivileges` is always on".to_owned());
    }
    if linux.cgroups_path.is_some() {
        told.push("`cgroupsPath`: the engine names its groups itself".to_owned());
    }
    let mut argv = process.args.clone();
    let program = argv
        .first_mut()
        .context("`process.args` must not be empty")?;
    *program = program_of(program, config, &rootfs)?;
    let env = process.env.iter().map(|variable| {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        (name.to_owned(), value.to_owned())
    });
    let env = env.collect();
    let start = Start {
        argv,
        env,
        own_network: own.network,
        own_users: own.users,
        users: None,
    };
    Ok((steps, start))
}

/// The namespaces that a container has not always.
struct Own {
    network: bool,
    users: bool,
}

impl Own {
    fn of(linux: &Linux) -> Result<Self> {
        let mut kinds = BTreeSet::new();
        for namespace in &linux.namespaces {
            let kind = namespace.kind.as_str();
            let path = namespace.path.as_deref().unwrap_or_default();
            ensure!(
                path.is_empty(),
                "`linux.namespaces`: containers join no `{kind}` namespace"
            );
            ensure!(
                kinds.insert(kind),
                "`linux.namespaces`: `{kind}` stands there twice"
            );
        }
        for always in ["mount", "pid", "ipc", "uts"] {
            ensure!(
                kinds.remove(always),
                "`linux.namespaces`: containers always have an own `{always}` namespace"
            );
        }
        // It has one where it has groups: without limits it is in none.
        kinds.remove("cgroup");
        let own = Self {
            network: kinds.remove("network"),
            users: kinds.remove("user"),
        };
        if let Some(kind) = kinds.first() {
            bail!("`linux.namespaces`: containers have no own `{kind}` namespace");
        }
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        for (mappings, id) in [(&linux.uid_mappings, uid), (&linux.gid_mappings, gid)] {
            let is_own = |only: &Mapping| (only.inside, only.outside, only.size) == (0, id, 1);
            let fits = match mappings.as_deref() {
                None | Some([]) => !own.users,
                Some([only]) => own.users && is_own(only),
                Some(_) => false,
            };
            ensure!(
                fits,
                "`linux.uidMappings`, `linux.gidMappings`: root inside is who calls, and nobody else exists"
            );
        }
        Ok(own)
    }
}

/// A device of this machine; no other is made.
fn shown(device: &Device) -> Result<Bind> {
    let path = &device.path;
    let found = fs::metadata(path).ok().filter(|found| {
        let kind = found.file_type();
        let is_kind = match device.kind.as_str() {
            "c" | "u" => kind.is_char_device(),
            "b" => kind.is_block_device(),
            _ => false,
        };
        is_kind && found.rdev() == libc::makedev(device.major, device.minor)
    });
    ensure!(
        found.is_some(),
        "`linux.devices`: this machine has no such `{path}` to show"
    );
    Ok(Bind {
        source: PathBuf::from(path),
        target: path.clone(),
        read_only: false,
    })
}

/// Names and settings of the container's own kernel objects.
fn name(steps: &mut Steps, config: &Config) -> Result<()> {
    let why = "setting kernel parameters";
    let mut write = |path: String, value: &str| -> Result<()> {
        let act = Act::Write {
            path: text(&path)?,
            text: text(value)?,
        };
        steps.add(why, act);
        Ok(())
    };
    for (name, value) in config.linux.sysctl.iter().flatten() {
        let is_own = [
            "net.",
            "kernel.shm",
            "kernel.msg",
            "kernel.sem",
            "fs.mqueue.",
        ];
        ensure!(
            is_own.iter().any(|prefix| name.starts_with(prefix)) && !name.contains('/'),
            "`linux.sysctl`: `{name}` is not a container's own"
        );
        write(format!("/proc/sys/{}", name.replace('.', "/")), value)?;
    }
    if let Some(domain) = &config.domainname {
        write("/proc/sys/kernel/domainname".to_owned(), domain)?;
    }
    if let Some(host) = &config.hostname {
        steps.add("naming the host", Act::HostName(text(host)?));
    }
    Ok(())
}

fn hide(steps: &mut Steps, linux: &Linux, rootfs: &Path) -> Result<()> {
    let paths = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    for path in paths(&linux.readonly_paths) {
        steps.protect_path(&format!("/{}", path.trim_start_matches('/')))?;
    }
    for path in paths(&linux.masked_paths) {
        ensure!(
            path.starts_with('/'),
            "`linux.maskedPaths`: `{path}` must begin with `/`"
        );
        let of_kernel = path.starts_with("/proc/") || path.starts_with("/sys/");
        let found = if of_kernel {
            PathBuf::from(&path)
        } else {
            rootfs.join(&path[1..])
        };
        let is_link = fs::symlink_metadata(&found).is_ok_and(|found| found.is_symlink());
        ensure!(
            !is_link,
            "`linux.maskedPaths`: `{path}` is a link, and would stay"
        );
        steps.hide_path(&path, found.is_dir())?;
    }
    Ok(())
}

/// Tells that all is made, and waits until somebody opens the fifo to read. Opening one to write does just that.
fn wait(steps: &mut Steps, waiting: Waiting) -> Result<()> {
    for (why, fd, word) in [
        ("telling that it was made", waiting.report, "created\n"),
        ("waiting for its start", waiting.fifo, "0"),
    ] {
        let path = text(&format!("/proc/self/fd/{}", steps.keep(fd)))?;
        steps.add(
            why,
            Act::Write {
                path,
                text: text(word)?,
            },
        );
    }
    Ok(())
}

/// The path of a program, looked for as a shell would: in the container's `PATH`.
fn program_of(name: &str, config: &Config, rootfs: &Path) -> Result<String> {
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    let path = config
        .process
        .env
        .iter()
        .find_map(|variable| variable.strip_prefix("PATH="));
    let exists = |path: &String| {
        let bound = config.mounts.iter().rev().find_map(|mount| {
            let rest = Path::new(path).strip_prefix(&mount.destination).ok()?;
            Some(Path::new(mount.source.as_ref()?).join(rest))
        });
        let found = bound.unwrap_or_else(|| rootfs.join(&path[1..]));
        fs::symlink_metadata(found).is_ok()
    };
    path.unwrap_or_default()
        .split(':')
        .filter(|directory| directory.starts_with('/'))
        .map(|directory| format!("{directory}/{name}"))
        .find(exists)
        .with_context(|| format!("`{name}`: executable file not found in `PATH`"))
}
