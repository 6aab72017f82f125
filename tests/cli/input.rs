//! Bad input: each is a clear error, and nothing is left running.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::support::{
    self, Changing, Program, assert_nothing_left, changing, data, engine, engine_name, plain,
    program, store, subject, tidy,
};

const SUBJECT: &str = env!("CARGO_BIN_EXE_subject");
const CHANGING: &str = env!("CARGO_BIN_EXE_changing");

/// A folder that anybody may enter and write to.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// The program under another name, where any user finds it.
fn copy(folder: &Path) -> PathBuf {
    let copy = folder.join("program");
    support::copy_program(SUBJECT, &copy);
    copy
}

/// A daemon that answers one thing to everybody.
fn daemon(folder: &Path, answer: &'static str) -> String {
    let socket = folder.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("unix://{}", socket.display())
}

#[test]
fn without_a_daemon_the_error_says_how_to_start_one() {
    for arguments in [&["call", "add", "2", "3"][..], &["build"], &["prune"]] {
        let ended = subject(arguments)
            .env("IMAGE_ENGINE", "auto")
            .env("DOCKER_HOST", "unix:///nonexistent")
            .run();
        insta::allow_duplicates! {
            insta::assert_snapshot!(ended.with(1, &[]).stderr, @r"
    error: cannot reach Docker at unix:///nonexistent: No such file or directory (os error 2)
      help: start it with `sudo systemctl start docker`, or set `DOCKER_HOST` to where it listens
    ");
        }
    }
}

#[test]
fn a_socket_without_permission_is_told_with_what_to_do() {
    let folder = folder();
    let socket = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
    let ended = program(
        copy(folder.path()).to_str().unwrap(),
        &["call", "add", "2", "3"],
    )
    .env("IMAGE_STORE", folder.path().join("store"))
    .env("IMAGE_ENGINE", "auto")
    .env("DOCKER_HOST", format!("unix://{}", socket.display()))
    .unprivileged()
    .run();
    ended.with(1, &["Permission denied", "help: ", "usermod -aG docker"]);
}

#[test]
fn a_daemon_that_is_too_old_or_something_else_is_told() {
    let folder = folder();
    let old = daemon(
        folder.path(),
        "HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nServer: Docker/1.12.6 (linux)\r\nConnection: close\r\n\r\n",
    );
    let ended = subject(&["call", "add", "2", "3"])
        .env("IMAGE_ENGINE", "auto")
        .env("DOCKER_HOST", old)
        .run();
    insta::assert_snapshot!(ended.with(1, &[]).stderr, @r"
    error: Docker 1.12.6 cannot be used: it speaks API 1.24, and 1.40 is needed
      help: Docker 19.03 or Podman 3 and all later versions can be used
    ");
    fs::remove_file(folder.path().join("docker.sock")).unwrap();
    let other = daemon(folder.path(), "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n");
    let ended = subject(&["doctor"])
        .env("IMAGE_ENGINE", "auto")
        .env("DOCKER_HOST", other)
        .run();
    ended.with(1, &["what answers is not Docker or Podman"]);
}

#[test]
fn an_unknown_engine_is_told_with_those_there_are() {
    let ended = subject(&["build"]).env("IMAGE_ENGINE", "dokcer").run();
    insta::assert_snapshot!(ended.with(1, &[]).stderr, @r"
    error: there is no engine `dokcer`
      help: set `IMAGE_ENGINE` to one of `embedded`, `docker`, or to `auto`
    ");
}

#[test]
fn where_neither_registry_nor_archive_answers_both_are_told() {
    if !engine() {
        return;
    }
    let folder = folder();
    let ended = subject(&["build"])
        .env("IMAGE_STORE", folder.path())
        .env("IMAGE_REGISTRY_MIRROR", "127.0.0.1:1")
        .env("IMAGE_DEBIAN_MIRROR", "http://127.0.0.1:1")
        .run();
    let ended = ended.with(
        1,
        &[
            "127.0.0.1:1",
            "bookworm",
            "Connection refused",
            "help: ",
            "IMAGE_DEBIAN_MIRROR",
        ],
    );
    // Of each image that has this base, and of no other: those are built.
    let errors = ended.stderr.lines().filter_map(|line| {
        let (head, _) = line.split_once(" cannot be built: ")?;
        Some(head)
    });
    let errors = errors.collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(errors, @r"
    error: image `BROKEN` (tests/src/bin/subject.rs:6)
    error: image `DEBIAN` (tests/src/bin/subject.rs:7)
    ");
    let nothing = subject(&["build", "NOTHING", "--json"])
        .env("IMAGE_STORE", folder.path())
        .run();
    assert_eq!(nothing.good().json()[0]["built"], 0);
    assert_nothing_left(&ended);
}

#[test]
fn where_pypi_does_not_answer_the_tool_that_is_missing_is_told() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    files.build(&["PIP"]);
    files.write_new();
    // A store that knows its bases and has downloaded nothing.
    let folder = folder();
    let bases = folder.path().join("v1/bases");
    fs::create_dir_all(&bases).unwrap();
    for entry in fs::read_dir(store().join("v1/bases")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), bases.join(entry.file_name())).unwrap();
    }
    let ended = changing(&["build", "PIP"])
        .env("IMAGE_STORE", folder.path())
        .env("IMAGE_PYPI_MIRROR", "http://127.0.0.1:1")
        .run();
    let ended = ended.with(1, &["uv", "127.0.0.1:1", "help: ", "IMAGE_PYPI_MIRROR"]);
    assert_nothing_left(&ended);
    files.build(&["PIP"]);
}

#[test]
fn where_build_containers_reach_no_archive_the_network_is_told_and_not_a_missing_package() {
    if !engine() {
        return;
    }
    subject(&["call", "--quiet", "in_debian"]).run().good();
    let mut files = Changing::take();
    let ended = changing(&["build", "APT"])
        .env("http_proxy", "http://127.0.0.1:1")
        .run();
    let help = match engine_name() {
        "embedded" => "help: the network is not reached: the step has that of this machine",
        _ => "help: the build container does not reach the network",
    };
    let ended = ended.with(
        1,
        &["command: apt-get update", "onnect to 127.0.0.1:1", help],
    );
    assert!(
        !ended.stderr.contains("Unable to locate"),
        "{}",
        ended.stderr
    );
    assert_nothing_left(&ended);
    files.build(&["APT"]);
}

#[test]
fn python_packages_in_an_image_of_nothing_are_told_with_what_to_do() {
    if !engine() {
        return;
    }
    let ended = changing(&["build", "PIP_WITHOUT_PYTHON"]).run();
    ended.with(1, &["help: this base has no Python"]);
}

/// Puts a file away, and back in the end.
struct Away(PathBuf);

impl Away {
    fn put(file: PathBuf) -> Self {
        fs::rename(&file, file.with_extension("away")).unwrap();
        Self(file)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        let _ = fs::rename(self.0.with_extension("away"), &self.0);
    }
}

#[test]
fn a_local_file_that_is_gone_since_compiling_is_told_with_the_step() {
    if !engine() {
        return;
    }
    let files = Changing::take();
    let away = Away::put(data("there.txt"));
    let ended = changing(&["build", "THERE"]).run();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
    insta::assert_snapshot!(ended.with(1, &[]).stderr.replace(&root, "[tests]"), @r"
    error: tests/src/bin/changing.rs:32: `copy_local_file` cannot read its files: `[tests]/cli/data/there.txt` does not exist: it was there when this program was compiled
      help: put it back, or change the step that copies it
    ");
    drop(away);
    changing(&["build", "THERE"]).run().good();
    drop(files);
}

#[test]
fn a_file_that_changes_while_it_is_read_makes_no_layer() {
    if !engine() {
        return;
    }
    let mut files = Changing::take();
    // What comes before the directory is there then.
    files.build(&["COPIED"]);
    let stop = AtomicBool::new(false);
    fs::write(files.path(), vec![b'x'; 32 << 20]).unwrap();
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(files.path()).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let ended = changing(&["build", "COPIED"]).run();
        stop.store(true, Ordering::Relaxed);
        ended
    });
    let ended = ended.with(1, &["generated` changed while it was", "help: "]);
    assert_nothing_left(&ended);
    files.write_new();
    assert_eq!(files.build(&["COPIED"])[0]["built"], 2);
}

#[test]
fn a_program_that_is_replaced_while_it_runs_goes_on_with_what_it_was() {
    if !engine() {
        return;
    }
    let folder = folder();
    let path = copy(folder.path());
    let mut running = program(path.to_str().unwrap(), &[])
        .env("SUBJECT_DOES", "wait")
        .stdin(Stdio::piped())
        .start();
    running.until("waiting");
    fs::remove_file(&path).unwrap();
    support::copy_program(env!("CARGO_BIN_EXE_plain"), &path);
    running.write("\n");
    let ended = running.end().good();
    assert!(ended.stdout.ends_with("\n5\n"), "{}", ended.stdout);
}

#[test]
fn host_and_worker_of_different_builds_do_not_work_together() {
    if !engine() {
        return;
    }
    let folder = folder();
    let call = || {
        subject(&["call", "add", "2", "3"])
            .env("IMAGE_STORE", folder.path())
            .run()
    };
    call().good();
    for entry in fs::read_dir(folder.path().join("v1/workers")).unwrap() {
        let worker = entry.unwrap().path().join("worker");
        if worker.exists() {
            // Not written over: it may be a link to the program itself.
            fs::remove_file(&worker).unwrap();
            support::copy_program(env!("CARGO_BIN_EXE_changing"), &worker);
        }
    }
    let ended = call().with(1, &["another build", "help: "]);
    assert_nothing_left(&ended);
}

#[test]
fn a_program_without_our_main_is_told_what_it_lacks() {
    if !engine() {
        return;
    }
    insta::assert_snapshot!(plain().run().good().stderr, @r"
    error: this program cannot be started as a worker: nothing in it would serve calls
      help: put `#[app::main]` on `main`; in tests, `#[app::test]` in place of `#[test]`
    ");
}

#[test]
fn a_store_that_cannot_be_is_told_with_what_to_do() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let text = subject(&["call", "add", "2", "3"])
        .env("IMAGE_STORE", &file)
        .run();
    text.with(1, &[file.to_str().unwrap(), "help: ", "IMAGE_STORE"]);

    let denied = folder.path().join("denied");
    fs::create_dir(&denied).unwrap();
    fs::set_permissions(&denied, fs::Permissions::from_mode(0o555)).unwrap();
    let text = program(copy(folder.path()).to_str().unwrap(), &["doctor"])
        .env("IMAGE_STORE", &denied)
        .unprivileged()
        .run();
    text.with(
        1,
        &["✗ store", "permission denied", "help: ", "IMAGE_STORE"],
    );
}

/// The program with a store on a disk of its own, which is as large as this and knows the bases that the tests' store knows.
fn on_a_small_disk(size: &str, folder: &Path, program: &str, arguments: &[&str]) -> Program {
    // The namespace, and with it the disk, is gone with the program.
    const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$1" none "$IMAGE_STORE" && mkdir "$IMAGE_STORE/v1" && cp -r "$2" "$IMAGE_STORE/v1" && shift 2 && exec "$@"
"#;
    let bases = store().join("v1/bases");
    let shell = ["--mount", "sh", "-c", SCRIPT, "sh", size];
    let words = [&shell[..], &[bases.to_str().unwrap(), program], arguments].concat();
    support::program("unshare", &words).env("IMAGE_STORE", folder)
}

#[test]
fn a_full_disk_of_the_store_is_told_with_what_to_do() {
    let can_mount = rustix::process::geteuid().is_root();
    if !engine() || !tests::have("root, to mount a small disk", can_mount) {
        return;
    }
    let mut files = Changing::take();
    files.build(&["PIP"]);
    files.write_new();
    let folder = folder();
    for (size, program, arguments) in [
        // The worker does not fit. An engine that keeps its layers in the store may not even come so far.
        ("1m", SUBJECT, &["call", "add", "2", "3"][..]),
        // The wheel of uv does not fit; it does, and the program in it does not.
        ("4m", CHANGING, &["build", "PIP"]),
        ("40m", CHANGING, &["build", "PIP"]),
    ] {
        let ended = on_a_small_disk(size, folder.path(), program, arguments).run();
        let ended = ended.with(1, &["no space is left on the disk"]);
        let (_, help) = ended.stderr.split_once("\n  help: ").unwrap();
        assert!(help.contains("`prune` removes "), "{help}");
        assert_eq!(help.trim_end().lines().count(), 1, "{help}");
        assert_nothing_left(&ended);
    }
    files.build(&["PIP"]);
}

#[test]
fn a_store_may_lie_deep() {
    if !engine() {
        return;
    }
    let folder = folder();
    let deep = folder.path().join("directory-in-".repeat(18)).join("store");
    let ended = subject(&["call", "add", "2", "3"])
        .env("IMAGE_STORE", deep)
        .run()
        .good();
    assert_eq!(tidy(&ended.stdout), "5\n");
}

#[test]
fn whether_builds_keep_to_the_lock_is_one_of_two_words() {
    let ended = subject(&["images"]).env("IMAGE_LOCKED", "yes").run();
    insta::assert_snapshot!(ended.with(1, &[]).stderr, @"error: `IMAGE_LOCKED` is `yes`, but it is `1`, where every build is to keep to `image.lock`, or `0`");
    subject(&["images"]).env("IMAGE_LOCKED", "0").run().good();
}

#[test]
fn a_limit_of_the_store_that_is_no_size_is_told() {
    let ended = subject(&["build"]).env("IMAGE_STORE_LIMIT", "much").run();
    insta::assert_snapshot!(ended.with(1, &[]).stderr, @"error: `IMAGE_STORE_LIMIT` is `much`, but a size is a number with a unit: `20GB`, `1.5GiB`, `500MB`");
}
