//! Stacks that stay mounted when a container has ended, for the next one on the same layers: to mount an overlay makes and removes six
//! files, which is much of what a start costs. That next one finds nothing of the last: who has changed anything at all in what
//! it saw has used the mount up.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree,
};

use super::{Form, Layers, Scratch};
use crate::digest::LayerId;
use crate::engine::embedded::kernel;
use crate::engine::embedded::overlay::{LAYER, Overlay};
use crate::engine::embedded::sandbox::Root;

/// The Linux that copies a mount which nobody sees.
const COPYING: (u32, u32) = (6, 15);

/// Whether mounts of that form can stay: those of an ordinary user are made and end in the user namespace of the container.
fn can_stay(form: Form) -> bool {
    form == Form::Root && kernel::is_at_least(COPYING)
}

impl Layers {
    /// The root of a container that writes there, over a stack.
    ///
    /// # Errors
    /// The file system, or that there are more layers than the kernel can stack.
    pub(in crate::engine::embedded) fn root(
        &self,
        scratch: &mut Scratch,
        stack: &[LayerId],
        volatile: bool,
    ) -> io::Result<Root> {
        if let Some(mounted) = &scratch.mounted {
            return self.of_mount(mounted);
        }
        let below = stack.first().map(|top| self.files(top));
        self.prepare(
            scratch,
            &below.unwrap_or_else(|| self.root.join("skeleton")),
        )?;
        let overlay = self.overlay(stack, scratch, volatile)?;
        if !can_stay(self.form) {
            return Ok(Root::Overlay(overlay));
        }
        match Mounted::new(&overlay, &scratch.upper(), scratch.stands_on) {
            Ok(mounted) => self.of_mount(scratch.mounted.insert(mounted)),
            // The container's process tries it, too, and says what is wrong.
            Err(_) => {
                scratch.forget_mount()?;
                Ok(Root::Overlay(overlay))
            }
        }
    }

    fn of_mount(&self, mounted: &Mounted) -> io::Result<Root> {
        let (mount, at) = (mounted.copy()?, self.root.join("root"));
        Ok(Root::Mount { mount, at })
    }
}

/// The layers that a place stands on: the topmost, and when it was made. All below it are those that it was made on.
pub(super) type StandsOn = Option<(LayerId, SystemTime)>;

/// A mounted stack, in nobody's view of mounts. It goes with its descriptor.
#[derive(Debug)]
pub(super) struct Mounted {
    mount: OwnedFd,
    pub(super) stands_on: StandsOn,
    /// What was known of the directory that is written to, before anybody could.
    untouched: Known,
}

impl Mounted {
    /// Mounts a stack. Blocks.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(super) fn new(root: &Overlay, upper: &Path, stands_on: StandsOn) -> io::Result<Self> {
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let layers = root.layers.iter().map(|layer| (LAYER, layer));
        let places = root.places.iter().map(|(key, path)| (*key, path));
        for (key, path) in layers.chain(places) {
            // By descriptor: a path would have to be escaped, and could be too long.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = openat(CWD, root.directory.join(path), flags, Mode::empty())?;
            fsconfig_set_fd(overlay.as_fd(), key, directory.as_fd())?;
        }
        for (key, value) in &root.settings {
            match value {
                Some(value) => fsconfig_set_string(overlay.as_fd(), *key, *value)?,
                None => fsconfig_set_flag(overlay.as_fd(), *key)?,
            }
        }
        fsconfig_create(overlay.as_fd())?;
        let mount = fsmount(
            overlay.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NODEV,
        )?;
        Ok(Self {
            mount,
            stands_on,
            untouched: Known::of(upper)?,
        })
    }

    /// The same for a container, which may put it where it wants.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(super) fn copy(&self) -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        Ok(open_tree(self.mount.as_fd(), "", flags)?)
    }

    /// Whether nothing happened to the directory that is written to.
    pub(super) fn is_untouched(&self, upper: &Path) -> io::Result<bool> {
        Ok(Known::of(upper)? == self.untouched)
    }
}

/// What the kernel says of a directory. Whatever is done to it or in it sets its times of change, which no program can choose.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    mode: u32,
    owners: (u32, u32),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Known {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            mode: metadata.mode(),
            owners: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
