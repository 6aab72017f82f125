//! Archives with bytes changed at random. `fuzz/` does it for longer.

use std::fs;
use std::os::fd::AsFd as _;

use rand::{Rng as _, SeedableRng as _};

use super::super::super::form::Form;
use super::super::unpack;
use super::Ground;
use super::archive::Tar;

const ROUNDS: u64 = 1000;

/// Of everything that there is.
fn whole(beside: &str) -> Vec<u8> {
    Tar::new()
        .directory("a")
        .file("a/file", "content")
        .link("l", beside)
        .link("m", "../beside")
        .hard_link("h", "a/file")
        .file("a/.wh.gone", "")
        .file("b/.wh..wh..opq", "")
        .pax(&[("path", b"p/./x"), ("linkpath", b"a/file"), ("size", b"3")])
        .file("l/file", "123")
        .directory("l")
        .hard_link("m", "l/file")
        .entry(b'6', "fifo", "", b"", |_| {})
        .end()
}

/// Makes the sums of all headers right again, as an attacker would.
fn sum_up(archive: &mut [u8]) {
    for block in archive.as_chunks_mut::<512>().0 {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

#[test]
fn archives_with_random_changes_touch_nothing_outside() {
    let Some(ground) = Ground::new() else { return };
    let mut unpacked = 0;
    for seed in 0..ROUNDS {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut archive = whole(ground.beside().to_str().unwrap());
        let blocks = archive.len() / 512;
        for _ in 0..random.gen_range(1..6) {
            let block = random.gen_range(0..blocks) * 512;
            match random.gen_range(0..4) {
                // A part of a name, the kind, a part of the target.
                0 => {
                    let part = [b"../".as_slice(), b"/", b".wh.", b"l/", b"m/", b"a", b"\0"];
                    let part = part[random.gen_range(0..part.len())];
                    let at = block + [0, 2, 157, 159][random.gen_range(0..4)];
                    archive[at..at + part.len()].copy_from_slice(part);
                }
                1 => archive[block + 156] = b"\x0001234567xLKgS"[random.gen_range(0..14)],
                2 => archive[block + random.gen_range(0..512)] = random.r#gen(),
                _ => {
                    let other = random.gen_range(0..blocks) * 512;
                    archive.copy_within(other..other + 512, block);
                }
            }
        }
        sum_up(&mut archive);
        let form = if seed % 2 == 0 {
            Form::Root
        } else {
            Form::User
        };
        let done = unpack(archive.as_slice(), ground.open().as_fd(), form);
        unpacked += u64::from(done.is_ok());
        ground.check(&format!("seed {seed}"));
        fs::remove_dir_all(ground.root()).unwrap();
        fs::create_dir(ground.root()).unwrap();
    }
    // Else the changes would be too wild to reach much.
    assert!(unpacked > ROUNDS / 50, "{unpacked} of {ROUNDS}");
}
