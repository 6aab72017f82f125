//! `shell`: with commands from standard input, and at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Program, engine, has_container, program, subject};

/// How long a terminal may take to show something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program with this input; answers its exit code and what it wrote.
fn with_input(program: Program, input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut command = program.command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // What the program does not read is of no use to it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), output.stdout, said)
}

#[test]
fn commands_come_from_standard_input_and_the_exit_code_is_the_shells() {
    if !engine() {
        return;
    }
    subject(&["build", "DEBIAN", "--quiet"]).run().good();
    let script = b"echo out; echo err >&2; cd /tmp && pwd; exit 7\n";
    let (code, out, err) = with_input(subject(&["shell", "DEBIAN"]), script);
    assert_eq!(
        (code, &*out, &*err),
        (Some(7), &b"out\n/tmp\n"[..], "err\n"),
        "{err}"
    );
    let (code, ..) = with_input(subject(&["shell", "DEBIAN"]), b"kill -9 $$\n");
    assert_eq!(code, Some(137));
    // Its end is an end like any other, and what was started in it does not outlive it.
    let (code, out, _) = with_input(subject(&["shell", "DEBIAN"]), b"sleep 1000 & echo begun\n");
    assert_eq!((code, &*out), (Some(0), &b"begun\n"[..]));
}

#[test]
fn one_command_runs_in_place_of_the_shell_and_every_byte_passes() {
    if !engine() {
        return;
    }
    subject(&["build", "DEBIAN", "--quiet"]).run().good();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (code, out, err) = with_input(subject(&["shell", "DEBIAN", "--", "cat"]), &bytes);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out == bytes, "{} bytes came back", out.len());
    // One that reads nothing of all that.
    let (code, ..) = with_input(
        subject(&["shell", "DEBIAN", "--", "sh", "-c", "exit 5"]),
        &bytes,
    );
    assert_eq!(code, Some(5));
}

#[test]
fn a_shell_has_what_its_function_has() {
    if !engine() {
        return;
    }
    // Its image is the same.
    subject(&["build", "DEBIAN", "--quiet"]).run().good();
    let secretive = program(
        env!("CARGO_BIN_EXE_secretive"),
        &[
            "shell",
            "given",
            "--",
            "sh",
            "-c",
            "echo ${#IMAGE_TESTS_TOKEN}",
        ],
    );
    let ended = secretive.env("IMAGE_TESTS_TOKEN", "a secret").run().good();
    assert_eq!(ended.stdout, "8\n");
}

#[test]
fn what_cannot_be_opened_is_told() {
    let ended = subject(&["shell", "nope"]).run().with(2, &[]);
    insta::assert_snapshot!(ended.stderr, @r"
    error: no image or function is called `nope`
      help: this program has `BROKEN`, `DEBIAN`, `NOTHING`, `add`, `counter.add`, `fail`, `in_broken`, `in_debian`, `print_lines`, `relay`, `sleep`
    ");
    if !engine() {
        return;
    }
    subject(&["build", "DEBIAN", "NOTHING", "--quiet"])
        .run()
        .good();
    let ended = subject(&["shell", "NOTHING"]).run().with(127, &[]);
    insta::assert_snapshot!(ended.stderr, @r"
    error: `shell NOTHING`: the image has no `/bin/bash` and no `/bin/sh`
      help: name a program that it has: `shell NOTHING -- PROGRAM`
    ");
    let ended = subject(&["shell", "DEBIAN", "--", "nope"])
        .run()
        .with(127, &[]);
    assert_eq!(
        ended.stderr,
        "error: `shell DEBIAN`: the image has no `nope`\n"
    );
    let ended = subject(&["shell", "DEBIAN", "--", "/etc/passwd"]).run();
    ended.with(126, &["`/etc/passwd` cannot be started: Permission denied"]);
}

/// A program at a terminal of its own.
struct AtTerminal {
    child: Child,
    keys: File,
    /// The terminal, held open so that its modes can be looked at when the program has gone.
    terminal: OwnedFd,
    shown: std::sync::mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl AtTerminal {
    fn start(arguments: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keys = openpt(flags).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        tcsetwinsize(&keys, window(24, 80)).unwrap();
        let terminal = ioctl_tiocgptpeer(&keys, flags).unwrap();
        let program = subject(arguments).env("TERM", "vt100").command();
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command.spawn().unwrap();
        let keys = File::from(keys);
        let mut screen = keys.try_clone().unwrap();
        let (show, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut piece) {
                if show.send(piece[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys,
            terminal,
            shown,
            text: String::new(),
        }
    }

    fn type_in(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until it has shown a text since the last one.
    #[track_caller]
    fn until(&mut self, word: &str) {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.text.find(word) {
                self.text.drain(..found + word.len());
                return;
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(piece) => self.text.push_str(&String::from_utf8_lossy(&piece)),
                Err(_) => panic!("`{word}` is not in: {}", self.text),
            }
        }
    }

    /// Whether the terminal is as programs expect it: it shows keys, and makes lines of them.
    fn is_in_order(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// The program itself: `setsid` is only its parent.
    fn program(&self) -> Pid {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).unwrap();
        // Where `setsid` need not fork, it has become the program.
        let pid = children
            .split_whitespace()
            .next()
            .filter(|_| !self.is_program());
        match pid {
            Some(pid) => Pid::from_raw(pid.parse().unwrap()).unwrap(),
            None => Pid::from_child(&self.child),
        }
    }

    fn is_program(&self) -> bool {
        let link = std::fs::read_link(format!("/proc/{}/exe", self.child.id()));
        link.is_ok_and(|path| path.ends_with("subject"))
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

#[test]
fn at_a_terminal_the_shell_has_one_of_its_own() {
    if !engine() {
        return;
    }
    subject(&["build", "DEBIAN", "--quiet"]).run().good();
    let mut shell = AtTerminal::start(&["shell", "DEBIAN"]);
    // What is looked for must not be what was typed, which is shown, too.
    shell.type_in("echo at$(tty) $TERM in$((40 + 2))\r");
    shell.until("at/dev/pts/");
    shell.until("vt100 in42");
    shell.type_in("stty size; echo do''ne\r");
    shell.until("24 80");
    shell.until("done");
    tcsetwinsize(&shell.keys, window(50, 132)).unwrap();
    // The shell hears of it a moment later.
    shell.type_in("until [ \"$(stty size)\" = '50 132' ]; do sleep 0.1; done; echo wi''de\r");
    shell.until("wide");
    // A key that would end us ends what runs in the shell.
    // It is one program, so that it has the terminal when it says something.
    shell.type_in("sh -c 'echo wai\"\"ting; exec sleep 1000'\r");
    shell.until("waiting");
    shell.type_in("\u{3}");
    shell.type_in("echo co''de $?\r");
    shell.until("code 130");
    // Job control: a job can be stopped and goes on.
    shell.type_in("sh -c 'echo wai\"\"ting; exec sleep 1000'\r");
    shell.until("waiting");
    shell.type_in("\u{1a}");
    shell.until("Stopped");
    shell.type_in("kill -9 %1; exit 3\r");
    // The first one may only say that there is a stopped job.
    shell.type_in("exit 3\r");
    let pid = shell.child.id();
    assert_eq!(shell.child.wait().unwrap().code(), Some(3));
    assert!(shell.is_in_order());
    assert!(!has_container(pid));
}

#[test]
fn however_a_shell_is_ended_the_terminal_is_as_it_was() {
    if !engine() {
        return;
    }
    subject(&["build", "DEBIAN", "--quiet"]).run().good();
    for (signal, code) in [
        (Signal::TERM, 143),
        (Signal::INT, 130),
        (Signal::QUIT, 131),
        (Signal::HUP, 129),
    ] {
        let mut shell = AtTerminal::start(&["shell", "in_debian"]);
        shell.type_in("echo rea''dy\r");
        shell.until("ready");
        assert!(!shell.is_in_order(), "keys go to the shell inside");
        let program = shell.program();
        kill_process(program, signal).unwrap();
        assert_eq!(shell.child.wait().unwrap().code(), Some(code));
        assert!(shell.is_in_order(), "{signal:?}");
        let begun = Instant::now();
        while has_container(program.as_raw_nonzero().get().unsigned_abs()) {
            assert!(begun.elapsed() < PATIENCE, "a container is left");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
