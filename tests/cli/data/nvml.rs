//! A stand-in for NVML on machines without a GPU: one T4.

use std::ffi::{c_char, c_uint, c_void};

#[no_mangle]
pub extern "C" fn nvmlInit_v2() -> i32 {
    0
}

#[no_mangle]
pub extern "C" fn nvmlShutdown() -> i32 {
    0
}

#[no_mangle]
pub extern "C" fn nvmlErrorString(_: i32) -> *const c_char {
    c"a stand-in never fails".as_ptr()
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> i32 {
    *count = 1;
    0
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(_: c_uint, device: *mut *mut c_void) -> i32 {
    *device = device.cast();
    0
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetName(_: *mut c_void, to: *mut c_char, _: c_uint) -> i32 {
    c"Tesla T4".as_ptr().copy_to(to, 9);
    0
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetUUID(_: *mut c_void, to: *mut c_char, _: c_uint) -> i32 {
    c"GPU-stand-in".as_ptr().copy_to(to, 13);
    0
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo(_: *mut c_void, memory: *mut [u64; 3]) -> i32 {
    *memory = [15_360 << 20, 0, 0];
    0
}

#[no_mangle]
pub unsafe extern "C" fn nvmlDeviceGetMinorNumber(_: *mut c_void, minor: *mut c_uint) -> i32 {
    *minor = 0;
    0
}
