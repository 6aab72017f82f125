//! Landlock keeps containers that have the machine's network from sockets with abstract names: those belong to a network, not to a
//! directory. By one a container could give another what it has open, and by those of the machine it would reach who trusts all who can
//! connect. <https://docs.kernel.org/userspace-api/landlock.html>

use std::ptr::null;
use std::sync::OnceLock;

use libc::{c_int, c_long};

/// The version of it that knows scopes: that of Linux 6.12.
const SCOPES: c_long = 6;

/// `LANDLOCK_CREATE_RULESET_VERSION`
const VERSION: c_int = 1;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET`
const ABSTRACT_SOCKETS: u64 = 1;

/// `struct landlock_ruleset_attr`
#[repr(C)]
struct Rules {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// Whether this kernel can do it.
pub(super) fn is_there() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        #[expect(unsafe_code, reason = "nobody wraps this system call")]
        // SAFETY: asked for its version, it takes no rules.
        let version = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                null::<Rules>(),
                0_usize,
                VERSION,
            )
        };
        version >= SCOPES
    })
}

/// From here on this process, and what it starts, connects to the abstract sockets of those alone.
///
/// # Safety
/// To be called in a process of its own, which has no other thread.
pub(super) unsafe fn keep_to_own_sockets() -> c_long {
    let rules = Rules {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: ABSTRACT_SOCKETS,
    };
    // SAFETY: the kernel reads `rules`, and no more than its size.
    unsafe {
        let made = libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const rules,
            size_of::<Rules>(),
            0,
        );
        if made < 0 {
            return made;
        }
        let kept = libc::syscall(libc::SYS_landlock_restrict_self, made, 0);
        libc::close(made as c_int);
        kept
    }
}
