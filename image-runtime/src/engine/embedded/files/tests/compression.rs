//! Layers that are packed in all ways that registries have.

use std::io::{Read as _, Write as _};

use super::super::decompress;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decompress(packed)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Long enough for several blocks.
fn content() -> Vec<u8> {
    (0..400_000_u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect()
}

#[test]
fn the_first_bytes_tell_the_compression() {
    let content = content();
    for packed in [content.clone(), gzip(&content), zstd(&content)] {
        assert!(unpacked(&packed).unwrap() == content);
    }
    for short in [b"".as_slice(), b"\x1f", b"abc"] {
        assert_eq!(unpacked(short).unwrap(), short);
    }
}

#[test]
fn parts_that_were_packed_one_by_one_are_one() {
    let content = content();
    let (first, second) = content.split_at(500_000);
    assert!(unpacked(&[gzip(first), gzip(second)].concat()).unwrap() == content);
    // A frame without content may stand anywhere.
    let skipped = b"\x5e\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let frames = [
        skipped.clone(),
        zstd(first),
        skipped.clone(),
        zstd(second),
        skipped,
    ];
    assert!(unpacked(&frames.concat()).unwrap() == content);
}

#[test]
fn what_is_cut_short_is_an_error() {
    let content = content();
    for packed in [gzip(&content), zstd(&content)] {
        for length in [3, 9, packed.len() / 2, packed.len() - 1] {
            let cut = &packed[..length];
            assert!(length == 3 || unpacked(cut).is_err(), "{length}");
        }
    }
    assert!(unpacked(b"\x5e\x2a\x4d\x18\x03\0\0\0ab").is_err());
    assert!(unpacked(&[zstd(b"x"), b"more".to_vec()].concat()).is_err());
}
