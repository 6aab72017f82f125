//! What a process may do.

use libc::{c_int, c_long, c_ulong};

/// More than any kernel knows.
const CAPABILITIES: c_ulong = 64;

/// Drops from the bounding set what is not in this one.
pub(super) unsafe fn bound(kept: u64) -> c_long {
    for capability in 0..CAPABILITIES {
        if kept & (1 << capability) != 0 {
            continue;
        }
        // SAFETY: takes numbers only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        // SAFETY: reads this thread's error number.
        if dropped < 0 && unsafe { *libc::__errno_location() } == libc::EINVAL {
            // The kernel's last one was the one before.
            return 0;
        }
        if dropped < 0 {
            return -1;
        }
    }
    0
}

const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The capabilities that the process has and may have.
pub(super) unsafe fn capabilities(set: u64) -> c_long {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let half = |bits: u32| CapabilityData {
        effective: bits,
        permitted: bits,
        inheritable: 0,
    };
    let data = [half(set as u32), half((set >> 32) as u32)];
    // SAFETY: both structures have the form that this version asks for.
    unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }
}
