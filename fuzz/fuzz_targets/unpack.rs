//! Unpacks any bytes as a layer: nothing outside the layer's directory may change.
//!
//! `cargo +nightly fuzz run unpack -- -dict=fuzz/tar.dict`, best as root in a machine that may break, with `TMPDIR` in memory. Each
//! input begins with a byte that chooses the form of whiteouts.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image_runtime::engine::embedded::fuzz::unpack_anything;
use libfuzzer_sys::fuzz_target;

/// A folder with the root of layers, and a directory beside it that must stay as it is.
struct Ground {
    folder: PathBuf,
    beside: Seen,
}

/// Paths with owner, mode, links, time of the last change and content.
type Seen = BTreeMap<PathBuf, (u32, u32, u32, u64, i64, i64, Vec<u8>)>;

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        fs::create_dir_all(folder.join("beside/directory")).unwrap();
        fs::write(folder.join("beside/file"), "precious").unwrap();
        symlink("file", folder.join("beside/link")).unwrap();
        let beside = seen(&folder.join("beside"));
        Ground { folder, beside }
    })
}

fn seen(at: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut left = vec![at.to_owned()];
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let content = if found.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        let times = (found.ctime(), found.ctime_nsec());
        seen.insert(
            path,
            (
                found.uid(),
                found.gid(),
                found.mode(),
                found.nlink(),
                times.0,
                times.1,
                content,
            ),
        );
    }
    seen
}

fuzz_target!(|bytes: &[u8]| {
    let Some((form, layer)) = bytes.split_first() else {
        return;
    };
    let ground = ground();
    let root = ground.folder.join("root");
    fs::create_dir(&root).unwrap();
    // Whether it is a layer does not matter here.
    let _ = unpack_anything(layer, fs::File::open(&root).unwrap().as_fd(), form % 2 == 1);
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(seen(&ground.folder.join("beside")), ground.beside);
    let there: Vec<_> = fs::read_dir(&ground.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(there, ["beside"]);
});
