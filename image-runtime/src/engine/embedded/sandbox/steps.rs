//! What a container's process does before it becomes its program, in order: a list that is made here.

mod hide;
mod root;
mod show;

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::launch::{Birth, Process, Stillbirth, launch};
use super::script::{Act, Program, Script, Slot, Step};
use super::{Form, Identity, MAPPING, SandboxError, Start, setting_up};
use crate::engine::embedded::cgroup::Entrance;
use crate::engine::embedded::{kernel, seccomp};

/// Processes and threads of one container at a time: one that forks without end stops here.
const MOST_PROCESSES: &str = "32768";

const CLOSING: &str = "closing what is open (needs Linux 5.9)";

/// What a container's process does before it becomes its program, in order.
///
/// `Sandbox` is what this crate makes of it; the OCI command line of this workspace's tests makes other containers of the same steps.
#[derive(Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
    /// Those that take something of the machine, while it can still be reached.
    taking: Vec<Step>,
    /// Where they come: right after [`Act::Pivot`].
    takes_at: usize,
    /// What slots hold at first.
    slots: Vec<RawFd>,
    /// What must be open until the program runs.
    kept: Vec<OwnedFd>,
}

impl Steps {
    /// Adds one.
    pub fn add(&mut self, why: &'static str, act: Act) {
        self.steps.push(Step { why, act });
    }

    /// A slot for a step to fill.
    fn slot(&mut self) -> Slot {
        self.slots.push(-1);
        self.slots.len() - 1
    }

    /// A slot that holds this.
    fn slot_of(&mut self, fd: OwnedFd) -> Slot {
        let number = self.keep(fd);
        self.slots.push(number);
        self.slots.len() - 1
    }

    /// Lets the process have this until it becomes its program; answers the number.
    pub fn keep(&mut self, fd: OwnedFd) -> RawFd {
        let number = fd.as_raw_fd();
        self.kept.push(fd);
        number
    }

    /// Adds a mount. A target that is not there is no fault of an `optional` one.
    ///
    /// # Errors
    /// As all that take texts: [`SandboxError::Nul`].
    pub fn mount(
        &mut self,
        why: &'static str,
        [kind, source, target]: [&str; 3],
        flags: libc::c_ulong,
        data: &str,
        optional: bool,
    ) -> Result<(), SandboxError> {
        let act = Act::Mount {
            source: text(source)?,
            target: text(target)?,
            kind: text(kind)?,
            flags,
            data: text(data)?,
            optional,
        };
        self.add(why, act);
        Ok(())
    }

    /// This user becomes root. Nobody else exists then, so no group can be left either, which the kernel wants to be said first.
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn map_user(&mut self) -> Result<(), SandboxError> {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        for (path, words) in [
            ("/proc/self/setgroups", "deny".to_owned()),
            ("/proc/self/uid_map", format!("0 {uid} 1")),
            ("/proc/self/gid_map", format!("0 {gid} 1")),
        ] {
            let (path, text) = (text(path)?, text(&words)?);
            self.add(MAPPING, Act::Write { path, text });
        }
        Ok(())
    }

    /// Enters cgroups, which it sees no others above.
    pub fn enter_cgroups(&mut self, cgroups: &[Entrance]) {
        for group in cgroups {
            self.add(
                "entering a cgroup",
                Act::EnterCgroup(group.procs.as_raw_fd()),
            );
        }
        if !cgroups.is_empty() {
            self.add("seeing its own cgroups only", Act::OwnCgroups);
        }
    }

    /// Limits how many processes there are at a time, where the kernel counts them for each container: a cgroup does so
    /// everywhere, but entering one can take as long as all the rest, so that is for limits that are asked for.
    pub(super) fn count_processes(&mut self) -> Result<(), SandboxError> {
        // Before Linux 6.14 it is the machine's, and not a namespace's own.
        if kernel::is_at_least((6, 14)) {
            let (path, text) = (text("/proc/sys/kernel/pid_max")?, text(MOST_PROCESSES)?);
            self.add("limiting processes", Act::Write { path, text });
        }
        Ok(())
    }

    /// Makes the current directory the root. What is taken of the machine is taken right then.
    pub fn change_root(&mut self) {
        self.add("changing the root", Act::Pivot);
        self.takes_at = self.steps.len();
    }

    /// Leaves the root that was before, so that no path leads there: `..` of the new root does until then.
    pub fn leave_old_root(&mut self) {
        self.add("leaving the old root", Act::LeaveOldRoot);
    }

    /// Enters the working directory, which is made if it is not there.
    ///
    /// # Errors
    /// See [`Self::mount`].
    pub fn enter_workdir(&mut self, path: &str) -> Result<(), SandboxError> {
        for path in ancestors(path) {
            self.add("making the working directory", Act::Directory(text(path)?));
        }
        self.add("entering the working directory", Act::Enter(text(path)?));
        Ok(())
    }

    /// Becomes the user, with these capabilities at most: root has them, others have none.
    pub fn become_user(&mut self, identity: &Identity, form: Form, capabilities: u64) {
        let Identity { uid, gid, .. } = *identity;
        self.add("taking a session keyring", Act::Keyring);
        self.add("bounding capabilities", Act::Bound(capabilities));
        if form.has_users() {
            self.add("taking groups", Act::Groups(identity.groups.clone()));
        }
        self.add("becoming the user", Act::Become { uid, gid });
        let kept = if uid == 0 { capabilities } else { 0 };
        self.add("keeping few capabilities", Act::Capabilities(kept));
    }

    /// What all containers do last, with this standard input, output and error. They have entered these cgroups.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn finish(
        &mut self,
        cgroups: Vec<Entrance>,
        stdio: [OwnedFd; 3],
        form: Form,
    ) -> Result<(), SandboxError> {
        self.kept
            .extend(cgroups.into_iter().map(|group| group.procs));
        let myself = rustix::process::pidfd_open(
            rustix::process::getpid(),
            rustix::process::PidfdFlags::empty(),
        );
        let [stdin, stdout, stderr] = stdio;
        let myself = myself.map_err(|error| setting_up(error.into()))?;
        let mut numbers = [0; 4];
        for (number, fd) in numbers.iter_mut().zip([stdin, stdout, stderr, myself]) {
            // Out of the way of the three numbers that they are to have.
            let fd = match fd.as_raw_fd() {
                0..3 => rustix::io::fcntl_dupfd_cloexec(&fd, 3)
                    .map_err(|error| setting_up(error.into()))?,
                _ => fd,
            };
            *number = self.keep(fd);
        }
        let [stdin, stdout, stderr, myself] = numbers;
        self.add("giving up privileges", Act::NoNewPrivileges);
        let stdio = Act::Stdio([stdin, stdout, stderr]);
        self.add("opening standard input and output", stdio);
        self.add("tying it to this program", Act::DieWith(myself));
        self.add(
            "loading the seccomp filter",
            Act::Seccomp(seccomp::filter(form)),
        );
        self.add(CLOSING, Act::Clean);
        self.add("executing the program", Act::Execute);
        Ok(())
    }

    /// Starts the process.
    ///
    /// # Errors
    /// See [`SandboxError`]; nothing runs then.
    pub async fn start(mut self, start: Start) -> Result<Process, SandboxError> {
        self.steps.splice(self.takes_at..self.takes_at, self.taking);
        self.steps.insert(0, only(&self.kept));
        let program = start.argv.first().cloned().unwrap_or_default();
        let argv = start.argv.iter().map(|word| text(word));
        let argv = argv.collect::<Result<_, _>>()?;
        let env = start.env.iter();
        let env = env.map(|(name, value)| text(&format!("{name}={value}")));
        let env = env.collect::<Result<_, _>>()?;
        let birth = Birth {
            script: Script {
                steps: self.steps,
                slots: self.slots,
                program: Program::new(argv, env),
                failed: None,
            },
            own_network: start.own_network,
            own_users: start.own_users,
            users: start.users,
            kept: self.kept,
        };
        launch(birth).await.map_err(|stillbirth| {
            let Stillbirth {
                doing,
                place,
                is_program,
                error,
            } = stillbirth;
            match place {
                _ if is_program => SandboxError::Program { program, error },
                Some(place) => SandboxError::Place { place, error },
                None => SandboxError::Step { doing, error },
            }
        })
    }
}

/// Closes all but what is kept: paths of an image can lead to what is open, by `/proc/self/fd`, and what this program has open of other
/// containers would stay with this one for a while.
fn only(kept: &[OwnedFd]) -> Step {
    let mut kept: Vec<_> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    kept.sort_unstable();
    Step {
        why: CLOSING,
        act: Act::Only(kept),
    }
}

/// A path and all above it but the root, topmost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let path = path.trim_end_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    ends.chain([path.len()])
        .map(move |end| &path[..end])
        .filter(|path| !path.is_empty())
}

/// A text for the kernel.
///
/// # Errors
/// [`SandboxError::Nul`].
pub fn text(text: &str) -> Result<CString, SandboxError> {
    CString::new(text).map_err(|_| SandboxError::Nul {
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_from_the_top() {
        let above = |path| ancestors(path).collect::<Vec<_>>();
        assert_eq!(above("/a/b/c/"), ["/a", "/a/b", "/a/b/c"]);
        assert_eq!(above("/a"), ["/a"]);
        assert!(above("/").is_empty() && above("").is_empty());
    }

    #[test]
    fn a_text_with_a_nul_is_told() {
        let error = text("a\0b").unwrap_err().to_string();
        assert!(error.starts_with("\"a\\0b\" contains a NUL"), "{error}");
    }
}
