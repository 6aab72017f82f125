//! A program whose build steps do what no step should.

use image_runtime::{Image, app, image};

const DAEMONS: Image = image!(debian_slim().run_commands(
    "(while :; do echo x >> /alive; sleep 0.01; done) & setsid sleep 1000 & sleep 0.1; echo left > /left",
    force_build = true
));
const FULL_TMP: Image = image!(
    debian_slim()
        .run_commands(
            "head -c 300M /dev/zero > /tmp/much; ln -s / /tmp/root; mkfifo /tmp/fifo; chmod 0 /tmp",
            force_build = true
        )
        .run_commands("stat -c %s /tmp/much > /size; rm -rf /tmp/*")
);
const NO_SHELL: Image = image!(
    debian_slim()
        .run_commands("rm /bin/sh /bin/dash", force_build = true)
        .run_commands("true")
);
const CLOSED_ROOT: Image = image!(
    debian_slim()
        .run_commands("chmod 0 /", force_build = true)
        .run_commands("echo built > /after")
);
const DEVICES: Image = image!(debian_slim().run_commands(
    "mknod /disk b 7 0 || touch /disk; mknod /null c 1 3 || touch /null; mkfifo /fifo",
    force_build = true
));
const MANY_FILES: Image = image!(debian_slim().run_commands(
    "mkdir /many; cd /many; seq $IMAGE_TESTS_FILES | xargs touch; ls | wc -l > /count",
    secrets = [Secret::from_env("IMAGE_TESTS_FILES")],
    force_build = true
));

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}"))
}

/// What the step left, and by how much what its daemon writes grows.
#[app::function(image = DAEMONS)]
fn left_by_daemons() -> std::io::Result<(String, u64)> {
    let before = std::fs::metadata("/alive")?.len();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let after = std::fs::metadata("/alive")?.len();
    Ok((read("/left"), after - before))
}

#[app::function(image = FULL_TMP)]
fn left_in_tmp() -> (String, usize) {
    let left = std::fs::read_dir("/tmp").map_or(usize::MAX, Iterator::count);
    (read("/size"), left)
}

#[app::function(image = NO_SHELL)]
fn without_shell() {}

#[app::function(image = CLOSED_ROOT)]
fn below_closed_root() -> String {
    read("/after")
}

/// Which of the devices can be opened.
#[app::function(image = DEVICES)]
fn devices() -> Vec<String> {
    use std::os::unix::fs::FileTypeExt as _;
    let open = |path: &&str| {
        let kind = std::fs::metadata(path).map(|metadata| metadata.file_type());
        let is_device = kind.is_ok_and(|kind| kind.is_block_device() || kind.is_char_device());
        is_device && std::fs::File::open(path).is_ok()
    };
    let devices = ["/disk", "/null"].iter().filter(|path| open(path));
    devices.map(|path| (*path).to_owned()).collect()
}

#[app::function(image = MANY_FILES)]
fn many_files() -> String {
    read("/count")
}

#[app::main]
fn main() {}
