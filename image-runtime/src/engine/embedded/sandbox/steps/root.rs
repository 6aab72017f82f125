//! The root of a container: its layers, and the file systems of the kernel in it.

use libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, c_ulong};

use super::super::script::Slot;
use super::super::{APART, Act, Bind, Form, ORDINARY, PROC, Root, STACKING, SandboxError};
use super::{Steps, text};
use crate::engine::embedded::overlay::{Options, Overlay};

/// Devices do not work, and programs gain nothing by being executed. That holds without `MS_NOSUID`, too; with it those that would gain a
/// capability are executed all the same: `ping` where there is no `CAP_NET_RAW`.
const FLAGS: c_ulong = MS_NODEV | MS_NOSUID;

impl Steps {
    /// The layers become the root.
    pub(in super::super) fn mount_root(&mut self, root: Root) -> Result<(), SandboxError> {
        let private = MS_REC | MS_PRIVATE;
        self.mount(APART, ["", "none", "/"], private, "", false)?;
        let target = match root {
            Root::Overlay(overlay) => {
                self.stack(&overlay)?;
                overlay.target
            }
            Root::Mount { mount, at } => {
                let target = at.to_string_lossy().into_owned();
                let slot = self.slot_of(mount);
                self.attach_root(slot, &target)?;
                target
            }
        };
        self.add("entering the root", Act::Enter(text(&target)?));
        self.change_root();
        Ok(())
    }

    fn stack(&mut self, overlay: &Overlay) -> Result<(), SandboxError> {
        let directory = overlay.directory.to_string_lossy();
        self.add("entering the store", Act::Enter(text(&directory)?));
        match overlay.options() {
            Options::Page(page) => {
                let words = ["overlay", "overlay", &overlay.target];
                self.mount(STACKING, words, FLAGS, &page, false)
            }
            Options::Each(options) => self.stack_each(&options, &overlay.target),
        }
    }

    fn attach_root(&mut self, slot: Slot, target: &str) -> Result<(), SandboxError> {
        let attach = Act::Attach {
            slot,
            target: text(target)?,
            flags: FLAGS,
            optional: false,
        };
        self.add(STACKING, attach);
        Ok(())
    }

    /// The layers are named one by one.
    fn stack_each(
        &mut self,
        options: &[(String, Option<String>)],
        target: &str,
    ) -> Result<(), SandboxError> {
        let slot = self.slot();
        self.add(
            STACKING,
            Act::Filesystem {
                kind: c"overlay",
                slot,
            },
        );
        for (key, value) in options {
            let key = text(key)?;
            let value = value.as_deref().map(text).transpose()?;
            self.add(STACKING, Act::Configure { slot, key, value });
        }
        self.add(STACKING, Act::Create(slot));
        self.attach_root(slot, target)
    }

    /// Mounts `/proc` and `/sys`. Comes before the old root is left: in a user namespace the kernel gives these only to who sees all of
    /// them already.
    pub(in super::super) fn mount_kernels_own(
        &mut self,
        form: Form,
        network: bool,
    ) -> Result<(), SandboxError> {
        let strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        for directory in ["/proc", "/sys", "/dev"] {
            self.add(ORDINARY, Act::MountPoint(text(directory)?));
        }
        self.mount(PROC, ["proc", "proc", "/proc"], strict, "", false)?;
        if form != Form::Root && network {
            // Only who owns the network may mount one of its own.
            self.bind(&Bind {
                source: "/sys".into(),
                target: "/sys".to_owned(),
                read_only: true,
            })?;
        } else {
            let read_only = strict | MS_RDONLY;
            let words = ["sysfs", "sysfs", "/sys"];
            self.mount("mounting /sys", words, read_only, "", false)?;
        }
        Ok(())
    }

    pub(in super::super) fn mount_devices(&mut self, form: Form) -> Result<(), SandboxError> {
        // Device files in it are bound one by one; others that are made there do not work.
        let quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
        let sized = "mode=755,size=64m";
        self.mount(
            "mounting /dev",
            ["tmpfs", "tmpfs", "/dev"],
            MS_NOSUID | MS_NODEV,
            sized,
            false,
        )?;
        for directory in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
            self.add("making /dev", Act::Directory(text(directory)?));
        }
        self.mount(
            "mounting /dev/pts",
            ["devpts", "devpts", "/dev/pts"],
            MS_NOSUID | MS_NOEXEC,
            match form {
                Form::Root | Form::Range => "newinstance,ptmxmode=0666,mode=0620,gid=5",
                // There is no group 5.
                Form::User => "newinstance,ptmxmode=0666,mode=0620",
            },
            false,
        )?;
        self.mount(
            "mounting /dev/shm",
            ["tmpfs", "shm", "/dev/shm"],
            quiet,
            "mode=1777,size=64m",
            false,
        )?;
        self.mount(
            "mounting /dev/mqueue",
            ["mqueue", "mqueue", "/dev/mqueue"],
            quiet,
            "",
            true,
        )
    }
}
