//! Finds out whether this engine can work here, and as whom, by starting a container of nothing: it must come as far as its
//! program, which is none.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use rustix::fs::{StatVfsMountFlags, XattrFlags};

use super::form::Form;
use super::layers::{Layers, Scratch};
use super::sandbox::{APART, BIRTH, MAPPING, PROC, STACKING, Sandbox, SandboxError};
use super::user::Identity;
use super::users::Users;
use crate::engine::EngineError;
use crate::engine::error::failed;
use crate::store::Store;

/// Beside the layers: for which start of the machine and which user the answer is known.
const ANSWER: &str = "works";

const OTHER_ENGINE: &str = "use `IMAGE_ENGINE=docker`";

/// The layers in the best form that works here, and whether containers can leave out syncing what they write.
///
/// # Errors
/// [`EngineError::Unsupported`]: nothing can be started here, why, and what to do.
pub(super) async fn probe(store: &Store) -> Result<(Layers, bool), EngineError> {
    can_execute(store)?;
    let mut first: Option<Fault> = None;
    for form in Form::possible() {
        let users = match form {
            Form::Range => match Users::find() {
                Ok(users) => Some(Arc::new(users)),
                Err(_) => continue,
            },
            Form::Root | Form::User => None,
        };
        let layers = Layers::open(store, *form, users)
            .map_err(|error| failed("opening the store")(io::Error::other(error)))?;
        match volatile(&layers).await {
            Ok(volatile) => return Ok((layers, volatile)),
            // One user is less than many, and takes less.
            Err(_) if *form == Form::Range => {}
            // Root in a container may lack the right to make namespaces, which an ordinary user may have.
            Err(fault) if fault.doing == BIRTH => {
                first.get_or_insert(fault);
            }
            Err(fault) => {
                first.get_or_insert(fault);
                break;
            }
        }
    }
    let fault = first.expect("there is a form to try, and none worked");
    Err(fault.unsupported())
}

/// Programs of layers are executed where they lie.
fn can_execute(store: &Store) -> Result<(), EngineError> {
    let about = rustix::fs::statvfs(store.path());
    match about.is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
        false => Ok(()),
        true => Err(EngineError::Unsupported {
            product: "the embedded engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reason: format!(
                "the file system of the store `{}` is mounted `noexec`",
                store.path().display()
            ),
            help: "set `IMAGE_STORE` to a directory where programs can be executed".to_owned(),
        }),
    }
}

/// As whom containers run, and why, for `doctor`.
pub(super) fn runs_as(layers: &Layers) -> String {
    let user = rustix::process::geteuid().as_raw();
    match (layers.form(), layers.users()) {
        (Form::Root, _) => "root".to_owned(),
        (_, Some(users)) => format!(
            "user {user}, who is root inside, and the numbers {} of `/etc/subuid`, who are all others",
            users.told()
        ),
        (_, None) => {
            let only = "root is the only user inside and owns all files";
            let why = why_not_more();
            format!("user {user}, single uid: {only}, because {why}")
        }
    }
}

/// Why there is no user but root.
fn why_not_more() -> String {
    if rustix::process::geteuid().is_root() {
        return "this root is not the machine's".to_owned();
    }
    let made = Users::find().and_then(|users| {
        let made = users.namespace();
        made.map(drop).map_err(|error| error.to_string())
    });
    match made {
        Err(why) => why,
        Ok(()) => "a container with more did not start here".to_owned(),
    }
}

/// Whether containers of this form can leave out syncing.
async fn volatile(layers: &Layers) -> Result<bool, Fault> {
    let known = layers.path().join(ANSWER);
    let here = here();
    for (volatile, answer) in [(true, format!("{here} volatile")), (false, here.clone())] {
        if fs::read_to_string(&known).is_ok_and(|text| text == answer) {
            return Ok(volatile);
        }
    }
    let volatile = match attempt(layers, true).await {
        Ok(()) => true,
        // Before Linux 5.10 the kernel knows no such option.
        Err(Fault { doing, .. }) if doing == STACKING => {
            attempt(layers, false).await?;
            false
        }
        Err(fault) => return Err(fault),
    };
    // Asked again the next time where it cannot be kept.
    let _ = fs::write(
        known,
        format!("{here}{}", if volatile { " volatile" } else { "" }),
    );
    Ok(volatile)
}

fn here() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    let namespace = fs::read_link("/proc/self/ns/user").unwrap_or_default();
    format!("{} {user} {}", boot.trim(), namespace.display())
}

struct Fault {
    form: Form,
    doing: &'static str,
    error: io::Error,
}

async fn attempt(layers: &Layers, volatile: bool) -> Result<(), Fault> {
    let form = layers.form();
    let fault = |doing, error| Fault { form, doing, error };
    let preparing = |error| fault("preparing a container in the store", error);
    // In the background: it takes programs and files.
    let of = layers.clone();
    let entered = layers.on_thread(move || of.namespace().map(drop)).await;
    entered.map_err(|error| fault(MAPPING, error))?;
    let mut scratch = layers.lease(None).map_err(preparing)?;
    let sandbox = of_nothing(layers, &mut scratch, volatile).map_err(preparing)?;
    can_hide(&scratch, form).map_err(|error| fault(STACKING, error))?;
    let nothing = File::open("/dev/null").map_err(preparing)?;
    let same = || nothing.try_clone().map_err(preparing);
    let stdio = [same()?.into(), same()?.into(), nothing.into()];
    match sandbox.start(Vec::new(), stdio).await {
        // It came as far as it can.
        Err(SandboxError::Program { .. }) => Ok(()),
        Err(SandboxError::Step { doing, error }) => Err(fault(doing, error)),
        Err(error) => Err(preparing(io::Error::other(error))),
        Ok(_) => Err(preparing(io::Error::other("nothing was executed"))),
    }
}

/// Whether layers can say what they hide. Where they cannot, overlayfs works as long as nothing has to be hidden.
fn can_hide(scratch: &Scratch, form: Form) -> io::Result<()> {
    let (upper, attribute) = (scratch.upper(), form.opaque());
    rustix::fs::setxattr(&upper, attribute, b"y", XattrFlags::empty())?;
    Ok(rustix::fs::removexattr(&upper, attribute)?)
}

fn of_nothing(layers: &Layers, scratch: &mut Scratch, volatile: bool) -> io::Result<Sandbox> {
    Ok(Sandbox {
        root: layers.root_of(scratch, volatile)?,
        // A directory cannot be executed.
        argv: vec!["/".to_owned()],
        env: Vec::new(),
        workdir: "/".to_owned(),
        identity: Identity::default(),
        host_name: "probe".to_owned(),
        texts: Vec::new(),
        binds: Vec::new(),
        network: false,
        form: layers.form(),
        users: layers.namespace()?,
    })
}

impl Fault {
    fn unsupported(self) -> EngineError {
        let help = self.help(&|path| {
            let text = fs::read_to_string(path).ok()?;
            text.trim().parse().ok()
        });
        let Self { doing, error, .. } = self;
        EngineError::Unsupported {
            product: "the embedded engine".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reason: format!("{doing}: {error}"),
            help,
        }
    }

    /// What to do. `setting` reads a number below `/proc/sys`.
    fn help(&self, setting: &dyn Fn(&str) -> Option<u64>) -> String {
        let needs_namespaces = matches!(self.doing, BIRTH | MAPPING | APART);
        if self.form == Form::User && needs_namespaces {
            return forbidden(setting);
        }
        let help = match (self.form, self.doing, self.error.raw_os_error()) {
            (_, BIRTH, Some(libc::EPERM)) => {
                "this root may make no namespaces: inside a container, start that with `--privileged`"
            }
            (_, STACKING, Some(libc::ENODEV)) => "this kernel has no overlayfs: `modprobe overlay`",
            (Form::User, STACKING, _) => {
                "for an ordinary user this takes Linux 5.12 and a directory on ext4, xfs, btrfs or (Linux 6.6) tmpfs: set `IMAGE_STORE` to one, run as root"
            }
            (Form::Root, STACKING, _) => {
                "set `IMAGE_STORE` to a directory on ext4, xfs, btrfs or tmpfs; network file systems and overlays carry no layers"
            }
            (Form::User, PROC, _) => {
                "parts of `/proc` are hidden here: inside a container, start that with `--security-opt systempaths=unconfined`"
            }
            _ => return OTHER_ENGINE.to_owned(),
        };
        format!("{help}, or {OTHER_ENGINE}")
    }
}

/// Which setting keeps ordinary users from making namespaces.
fn forbidden(setting: &dyn Fn(&str) -> Option<u64>) -> String {
    let settings = [
        ("kernel.unprivileged_userns_clone", 0, "1"),
        ("user.max_user_namespaces", 0, "10000"),
        ("kernel.apparmor_restrict_unprivileged_userns", 1, "0"),
    ];
    let found = settings.into_iter().find(|(name, bad, _)| {
        setting(&format!("/proc/sys/{}", name.replace('.', "/"))) == Some(*bad)
    });
    match found {
        Some((name, bad, good)) => format!(
            "this machine forbids it by `{name}={bad}`: `sudo sysctl {name}={good}`, run as root, or {OTHER_ENGINE}"
        ),
        None => format!(
            "something forbids it: inside a container, start that with `--privileged`; else run as root, or {OTHER_ENGINE}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(form: Form, doing: &'static str, errno: i32, set: &'static [(&str, u64)]) -> String {
        let error = io::Error::from_raw_os_error(errno);
        Fault { form, doing, error }.help(&|path| {
            let found = set.iter().find(|(known, _)| *known == path);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn the_setting_that_forbids_namespaces_is_named() {
        let debian: &[_] = &[("/proc/sys/kernel/unprivileged_userns_clone", 0)];
        let none: &[_] = &[
            ("/proc/sys/kernel/unprivileged_userns_clone", 1),
            ("/proc/sys/user/max_user_namespaces", 0),
        ];
        let ubuntu: &[_] = &[
            ("/proc/sys/user/max_user_namespaces", 1000),
            ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1),
        ];
        for (doing, errno, settings, expected) in [
            (
                BIRTH,
                libc::EPERM,
                debian,
                "sysctl kernel.unprivileged_userns_clone=1`",
            ),
            (
                BIRTH,
                libc::ENOSPC,
                none,
                "sysctl user.max_user_namespaces=10000`",
            ),
            (
                MAPPING,
                libc::EPERM,
                ubuntu,
                "sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
            ),
            (
                APART,
                libc::EACCES,
                ubuntu,
                "sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
            ),
            (BIRTH, libc::EPERM, &[], "--privileged"),
        ] {
            let help = help(Form::User, doing, errno, settings);
            assert!(help.contains(expected), "{help}");
            assert!(help.contains("IMAGE_ENGINE=docker"), "{help}");
        }
    }

    #[test]
    fn root_is_not_told_of_settings_for_others() {
        let settings: &[_] = &[("/proc/sys/user/max_user_namespaces", 0)];
        let help = help(Form::Root, BIRTH, libc::EPERM, settings);
        assert!(
            help.contains("--privileged") && !help.contains("sysctl"),
            "{help}"
        );
    }
}
