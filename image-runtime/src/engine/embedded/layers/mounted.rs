//! Stacks that stay mounted when a container has ended, for the next one on the same layers: to mount an overlay makes and removes six
//! files, which is much of what a start costs. That next one finds nothing of the last: who has changed anything in what it saw has used
//! the mount up.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat, syncfs};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree,
};

use super::{Form, Layers, Scratch};
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
    /// The root of a container that writes there, over what the place stands on.
    ///
    /// # Errors
    /// The file system, or that there are more layers than the kernel can stack.
    pub(in crate::engine::embedded) fn root_of(
        &self,
        scratch: &mut Scratch,
        volatile: bool,
    ) -> io::Result<Root> {
        let upper = scratch.upper();
        let at = self.root.join("root");
        if let Some(mounted) = &scratch.mounted {
            // It has waited, for as long as this program may run.
            if let Ok(true) = mounted.is_untouched(&upper)
                && let Ok(mount) = mounted.copy()
            {
                return Ok(Root::Mount { mount, at });
            }
            scratch.renew()?;
        }
        let below = match scratch.layers().next() {
            Some(top) => self.files(top),
            None => self.root.join("skeleton"),
        };
        self.prepare(scratch, &below)?;
        let overlay = self.overlay(scratch, volatile)?;
        if can_stay(self.form) {
            let mounted = Mounted::new(&overlay, &upper);
            match mounted.and_then(|mounted| Ok((mounted.copy()?, mounted))) {
                Ok((mount, mounted)) => {
                    scratch.mounted = Some(mounted);
                    return Ok(Root::Mount { mount, at });
                }
                // The container's process tries it, too, and says what is wrong.
                Err(_) => scratch.forget_mount()?,
            }
        }
        Ok(Root::Overlay(overlay))
    }
}

/// A mounted stack, in nobody's view of mounts. It goes with its descriptor.
#[derive(Debug)]
pub(super) struct Mounted {
    mount: OwnedFd,
    /// What was known of the directory that is written to, before anybody could.
    untouched: Known,
}

impl Mounted {
    /// Mounts a stack, which is written to in that directory. Blocks.
    ///
    /// # Errors
    /// What the kernel refuses.
    fn new(root: &Overlay, upper: &Path) -> io::Result<Self> {
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // What containers and tools read of any overlay.
        fsconfig_set_string(overlay.as_fd(), "source", "overlay")?;
        let layers = root.layers.iter().map(|layer| (LAYER, layer));
        let places = root.places.iter().map(|(key, path)| (*key, path));
        for (key, path) in layers.chain(places) {
            // By descriptor: a path would have to be escaped.
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
            MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID,
        )?;
        Ok(Self {
            mount,
            untouched: Known::of(upper)?,
        })
    }

    /// The same for a container, which may put it where it wants.
    ///
    /// # Errors
    /// What the kernel refuses, or that the disk failed since it was mounted: whoever syncs a file on it would be told that for ever.
    fn copy(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        syncfs(openat(self.mount.as_fd(), ".", flags, Mode::empty())?)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        Ok(open_tree(self.mount.as_fd(), "", flags)?)
    }

    /// Whether nothing happened to the directory that is written to.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(super) fn is_untouched(&self, upper: &Path) -> io::Result<bool> {
        Ok(Known::of(upper)? == self.untouched)
    }
}

/// What the kernel says of a directory. Whatever is done to it or in it changes that, for it keeps a time that no program can choose.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    mode: u32,
    owners: (u32, u32),
    times: [(i64, i64); 2],
}

impl Known {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            mode: metadata.mode(),
            owners: (metadata.uid(), metadata.gid()),
            times: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
        })
    }
}
