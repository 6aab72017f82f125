//! As whom containers run: as this machine's root, or as an ordinary user who is root inside and nowhere else.

use std::fs;

/// What this program may do decides who there is inside, and how overlayfs is told what a layer hides of those below.
///
/// A hidden file is a device 0:0 in all: the kernel lets everybody make one since 5.8, and takes it in every overlay. The
/// attribute `user.overlay.whiteout`, which means the same, is understood since 6.7 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The machine's root: every user exists inside, and every file has its owner.
    Root,
    /// An ordinary user to whom `/etc/subuid` gives more numbers: root inside is that user, others inside have those numbers,
    /// and every file has its owner. All happens in one user namespace, also what this program itself does to layers
    /// (`users.rs`).
    Range,
    /// An ordinary user, in a user namespace that maps one number: root inside is that user, and there is nobody else.
    /// All files of all layers belong to root.
    User,
}

impl Form {
    /// What this process can be, the better first.
    pub(super) fn possible() -> &'static [Self] {
        if !rustix::process::geteuid().is_root() {
            return &[Self::Range, Self::User];
        }
        // In the namespace of somebody else, root has too few rights: attributes that only the machine's root sets.
        let is_initial = fs::read_to_string("/proc/self/uid_map")
            .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]));
        if is_initial {
            &[Self::Root, Self::User]
        } else {
            &[Self::User]
        }
    }

    /// Whether there are users besides root, who can own files.
    pub(super) fn has_users(self) -> bool {
        self != Self::User
    }

    /// The attribute of a directory that shows nothing of those below it.
    pub(super) fn opaque(self) -> &'static str {
        match self {
            Self::Root => "trusted.overlay.opaque",
            Self::Range | Self::User => "user.overlay.opaque",
        }
    }

    /// The attribute that says which overlay a directory is the top of: newer kernels write it.
    pub(super) fn uuid(self) -> &'static str {
        match self {
            Self::Root => "trusted.overlay.uuid",
            Self::Range | Self::User => "user.overlay.uuid",
        }
    }
}
