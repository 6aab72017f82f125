//! The program in the kernel. A thread loads it for itself: what it starts inherits it, the rest of the tests does not.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use libc::{EFAULT, EINVAL, ENOSYS, EPERM, c_long, c_ulong};

use rustix::fs::{CWD, FileType, Mode};

use super::super::super::form::Form;
use super::filter;

/// Runs something in a thread with the filter.
fn filtered<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    filtered_as(Form::Root, run)
}

fn filtered_as<T: Send + 'static>(form: Form, run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        load(form);
        run()
    })
    .join()
    .unwrap()
}

fn load(form: Form) {
    let filter = filter(form);
    let program = libc::sock_fprog {
        len: filter.len().try_into().unwrap(),
        filter: filter.as_ptr().cast_mut(),
    };
    #[expect(unsafe_code, reason = "no safe crate loads a filter")]
    // SAFETY: the kernel copies `program` and what it points to, and writes to neither.
    let results = unsafe {
        [
            c_long::from(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)),
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                &raw const program,
            ),
        ]
    };
    assert_eq!(results, [0, 0], "{}", std::io::Error::last_os_error());
}

/// The error of a system call whose arguments are numbers or point nowhere.
fn error_of(number: c_long, arguments: [c_ulong; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    #[expect(unsafe_code, reason = "raw system calls are what is tested")]
    // SAFETY: the tests give no pointers but null, and no flags that share or unshare anything.
    let result = unsafe { libc::syscall(number, a, b, c, d, 0, 0) };
    match result {
        -1 => std::io::Error::last_os_error().raw_os_error().unwrap(),
        _ => 0,
    }
}

#[test]
fn refused_and_unknown_calls_give_the_errors_that_programs_expect() {
    let table = [
        // name, number, arguments, without the filter, with it
        ("mount", libc::SYS_mount, [0, 0, 0, 0], EFAULT, EPERM),
        ("unshare", libc::SYS_unshare, [1, 0, 0, 0], EINVAL, EPERM),
        ("clone3", libc::SYS_clone3, [0, 0, 0, 0], EINVAL, ENOSYS),
        (
            "personality",
            libc::SYS_personality,
            [0xffff_ffff, 0, 0, 0],
            0,
            0,
        ),
        ("getpid", libc::SYS_getpid, [0, 0, 0, 0], 0, 0),
        ("9999", 9999, [0, 0, 0, 0], ENOSYS, ENOSYS),
        ("-1", -1, [0, 0, 0, 0], ENOSYS, ENOSYS),
    ];
    // Where the tests themselves run in a container, a filter like this one may be there already.
    let free = std::fs::read_to_string("/proc/thread-self/status")
        .unwrap()
        .contains("Seccomp:\t0");
    for (name, number, arguments, without, with) in table {
        if free {
            assert_eq!(error_of(number, arguments), without, "{name} without");
        }
        let error = filtered(move || error_of(number, arguments));
        assert_eq!(error, with, "{name} with");
    }
}

#[test]
fn arguments_decide_in_the_kernel_too() {
    filtered(|| {
        let socket = |family: i32| error_of(libc::SYS_socket, [family as c_ulong, 99, 0, 0]);
        // A type that does not exist, so that nothing is opened.
        assert_eq!(socket(libc::AF_INET), EINVAL);
        assert_eq!(socket(libc::AF_VSOCK), EPERM);
        assert_eq!(socket(libc::AF_ALG), EPERM);
        // ADDR_NO_RANDOMIZE
        assert_eq!(error_of(libc::SYS_personality, [0x40000, 0, 0, 0]), EPERM);
        let namespace = libc::CLONE_NEWUTS | libc::SIGCHLD;
        assert_eq!(
            error_of(libc::SYS_clone, [namespace as c_ulong, 0, 0, 0]),
            EPERM
        );
    });
}

#[test]
fn threads_files_and_sockets_work() {
    filtered(|| {
        let sum: u32 = (0..8)
            .map(|number| std::thread::spawn(move || number))
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(sum, 28);

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "text").unwrap();
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"over").unwrap();
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "over");
    });
}

#[test]
fn programs_run_and_inherit_the_filter() {
    let script = r#"
        set -e
        cd "$(mktemp -d)"
        echo text >a; ln -s a b; cp b c; chmod 600 c; mv c d
        (sleep 0; cat d) | sort | grep -c text
        rm -r "$PWD"
        grep '^Seccomp:' /proc/self/status
        LC_ALL=C exec unshare --mount true
    "#;
    let output = filtered(move || Command::new("sh").args(["-c", script]).output().unwrap());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\nSeccomp:\t2\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("Operation not permitted"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_pretended_succeeds_and_does_nothing() {
    filtered_as(Form::User, || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "").unwrap();
        let owner = std::fs::metadata(&path).unwrap().uid();
        std::os::unix::fs::chown(&path, Some(owner + 1), Some(owner + 1)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), owner);
        // A descriptor that is none, so that the kernel would say so.
        assert_eq!(error_of(libc::SYS_fchown, [9999, 1, 1, 0]), 0);
        assert_eq!(error_of(libc::SYS_fchmod, [9999, 0, 0, 0]), libc::EBADF);
        let before = rustix::process::geteuid();
        assert_eq!(error_of(libc::SYS_setresuid, [9, 9, 9, 0]), 0);
        assert_eq!(rustix::process::geteuid(), before);
        let make = |kind: FileType| {
            let (mode, device) = (Mode::RUSR, rustix::fs::makedev(1, 3));
            rustix::fs::mknodat(CWD, folder.path().join("made"), kind, mode, device).unwrap();
            folder.path().join("made").exists()
        };
        assert!(!make(FileType::CharacterDevice) && !make(FileType::BlockDevice));
        assert!(make(FileType::Fifo));
    });
}
