//! Reads what GPUs there are with NVML, the library that comes with the driver. It is loaded when it is asked for, so that programs
//! run where it is not.
//!
//! <https://docs.nvidia.com/deploy/nvml-api/>

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use libloading::{Library, Symbol};

use super::Gpu;

/// By its name, and where some systems keep drivers.
const LIBRARIES: [&str; 3] = [
    "libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
];

/// NVML's buffers for names and identities are no longer.
const TEXT: usize = 96;

/// `nvmlReturn_t`: 0 is success.
type Return = c_int;

/// `nvmlDevice_t`
type Device = *mut c_void;

/// `nvmlMemory_t`, in bytes.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// The functions that are needed, as NVML's header declares them.
struct Nvml<'a> {
    init: Symbol<'a, unsafe extern "C" fn() -> Return>,
    shutdown: Symbol<'a, unsafe extern "C" fn() -> Return>,
    error: Symbol<'a, unsafe extern "C" fn(Return) -> *const c_char>,
    count: Symbol<'a, unsafe extern "C" fn(*mut c_uint) -> Return>,
    device: Symbol<'a, unsafe extern "C" fn(c_uint, *mut Device) -> Return>,
    name: Symbol<'a, unsafe extern "C" fn(Device, *mut c_char, c_uint) -> Return>,
    uuid: Symbol<'a, unsafe extern "C" fn(Device, *mut c_char, c_uint) -> Return>,
    memory: Symbol<'a, unsafe extern "C" fn(Device, *mut Memory) -> Return>,
    minor: Symbol<'a, unsafe extern "C" fn(Device, *mut c_uint) -> Return>,
}

/// All GPUs, by their numbers; or why they are not known.
pub(super) fn read() -> Result<Vec<Gpu>, String> {
    let library = load()?;
    let nvml =
        Nvml::of(&library).map_err(|error| format!("the NVIDIA driver is too old: {error}"))?;
    nvml.gpus()
}

#[expect(unsafe_code, reason = "a library is loaded")]
fn load() -> Result<Library, String> {
    let mut first = None;
    for name in LIBRARIES {
        // SAFETY: it is the driver's own library, which every program that computes on a GPU loads; what it does when it is loaded
        // is as sound as the driver.
        match unsafe { Library::new(name) } {
            Ok(library) => return Ok(library),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let error = first.map(|error| error.to_string()).unwrap_or_default();
    Err(format!("no NVIDIA driver is installed: {error}"))
}

impl<'a> Nvml<'a> {
    #[expect(
        unsafe_code,
        reason = "functions of a library have the types that its header says"
    )]
    fn of(library: &'a Library) -> Result<Self, libloading::Error> {
        // SAFETY: the types are those of NVML's header, whose names with a version never change theirs.
        unsafe {
            Ok(Self {
                init: library.get(b"nvmlInit_v2\0")?,
                shutdown: library.get(b"nvmlShutdown\0")?,
                error: library.get(b"nvmlErrorString\0")?,
                count: library.get(b"nvmlDeviceGetCount_v2\0")?,
                device: library.get(b"nvmlDeviceGetHandleByIndex_v2\0")?,
                name: library.get(b"nvmlDeviceGetName\0")?,
                uuid: library.get(b"nvmlDeviceGetUUID\0")?,
                memory: library.get(b"nvmlDeviceGetMemoryInfo\0")?,
                minor: library.get(b"nvmlDeviceGetMinorNumber\0")?,
            })
        }
    }

    #[expect(unsafe_code, reason = "functions of a C library are called")]
    fn gpus(&self) -> Result<Vec<Gpu>, String> {
        // SAFETY: it takes nothing, and comes before all others.
        self.good("nvmlInit", unsafe { (self.init)() })?;
        let gpus = self.all();
        // SAFETY: it was initialised, and nothing of it is used after this.
        let _ = unsafe { (self.shutdown)() };
        gpus
    }

    #[expect(unsafe_code, reason = "functions of a C library are called")]
    fn all(&self) -> Result<Vec<Gpu>, String> {
        let mut count = 0;
        // SAFETY: it writes one number.
        self.good("nvmlDeviceGetCount", unsafe {
            (self.count)(&raw mut count)
        })?;
        (0..count).map(|index| self.gpu(index)).collect()
    }

    #[expect(unsafe_code, reason = "functions of a C library are called")]
    fn gpu(&self, index: u32) -> Result<Gpu, String> {
        let mut device: Device = ptr::null_mut();
        let mut memory = Memory::default();
        let mut minor = 0;
        // SAFETY: each writes what its pointer points to, of the type that the header says; `device` comes from NVML itself.
        unsafe {
            self.good(
                "nvmlDeviceGetHandleByIndex",
                (self.device)(index, &raw mut device),
            )?;
            self.good(
                "nvmlDeviceGetMemoryInfo",
                (self.memory)(device, &raw mut memory),
            )?;
            self.good(
                "nvmlDeviceGetMinorNumber",
                (self.minor)(device, &raw mut minor),
            )?;
        }
        Ok(Gpu {
            index,
            minor,
            uuid: self.text("nvmlDeviceGetUUID", &self.uuid, device)?,
            name: self.text("nvmlDeviceGetName", &self.name, device)?,
            memory: memory.total,
        })
    }

    #[expect(unsafe_code, reason = "functions of a C library are called")]
    fn text(
        &self,
        called: &str,
        function: &Symbol<'_, unsafe extern "C" fn(Device, *mut c_char, c_uint) -> Return>,
        device: Device,
    ) -> Result<String, String> {
        let mut text = [0_u8; TEXT];
        // SAFETY: it writes no more than it is told there is room for.
        let returned = unsafe { function(device, text.as_mut_ptr().cast(), TEXT as c_uint) };
        self.good(called, returned)?;
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }

    #[expect(unsafe_code, reason = "a text of a C library is read")]
    fn good(&self, called: &str, returned: Return) -> Result<(), String> {
        if returned == 0 {
            return Ok(());
        }
        // SAFETY: the text is a constant of the library, which is still loaded.
        let said = unsafe {
            let said = (self.error)(returned);
            if said.is_null() {
                c"unknown error"
            } else {
                CStr::from_ptr(said)
            }
        };
        let said = said.to_string_lossy();
        Err(format!(
            "the NVIDIA driver does not answer: {called}: {said}"
        ))
    }
}
