//! Packages that want out of the tree, or are no packages at all.

use std::io::Write as _;

use tar::EntryType;

use super::mirror::{Deb, Member, ar, tar, xz};
use super::unpacked::{unpack, with_apt};
use crate::base::debian::deb;

#[tokio::test]
async fn entries_that_could_leave_the_tree_are_refused_with_the_name_of_the_package() {
    let cases = [
        vec![Member::file("../escaped", "x")],
        vec![Member::file("./usr/../../escaped", "x")],
        vec![Member::file("/etc/passwd", "x")],
        vec![
            Member::link("./door", EntryType::Symlink, "/etc"),
            Member::file("./door/passwd", "x"),
        ],
        vec![
            Member::link("./door", EntryType::Symlink, "/etc"),
            Member::directory("./door/", 0o755),
        ],
        vec![
            Member::link("./bin", EntryType::Symlink, "/etc"),
            Member::file("./bin/sh", "x"),
        ],
        vec![Member::link("./hard", EntryType::Link, "../../etc/passwd")],
        vec![Member::link("./hard", EntryType::Link, "/etc/passwd")],
        vec![Member::link("./hard", EntryType::Link, "./etc/passwd")],
        vec![
            Member::link("./soft", EntryType::Symlink, "/etc/passwd"),
            Member::link("./hard", EntryType::Link, "./soft"),
        ],
        vec![
            Member::file("./file", "x"),
            Member::file("./file/below", "x"),
        ],
        vec![Member::file("./file", "x"), Member::file("./file", "y")],
        vec![
            Member::directory("./usr/lib/", 0o755),
            Member::file("./usr/lib", "x"),
        ],
        vec![Member::link("./disk", EntryType::Block, "")],
        vec![Member::link("./soft", EntryType::Symlink, "")],
        vec![Member::file("./var/lib/dpkg/status", "Package: trojan")],
    ];
    for data in cases {
        let paths: Vec<&str> = data.iter().map(|member| member.path).collect();
        let error = unpack(&with_apt(data.clone()))
            .await
            .err()
            .unwrap_or_else(|| panic!("{paths:?} was unpacked"));
        let text = error.to_string();
        let named = text.contains("the package `apt`")
            || text.contains("`var/lib/dpkg/status` is in another package");
        assert!(named, "{paths:?}: {text}");
    }
}

#[tokio::test]
async fn control_files_that_are_none_are_refused() {
    let cases: [(&str, &[u8]); 4] = [
        ("../../../etc/cron.d/x", b""),
        ("sub/postinst", b""),
        ("conffiles", b"/../../etc/passwd\n"),
        ("triggers", b"interest ../../etc/x\n"),
    ];
    for (name, content) in cases {
        let mut mirror = with_apt(vec![]);
        mirror.main[0].control = vec![(name, content.to_vec(), 0o644)];
        mirror.write();
        let error = unpack(&mirror)
            .await
            .err()
            .unwrap_or_else(|| panic!("{name} was unpacked"));
        assert!(error.to_string().contains("the package `apt`"), "{error}");
    }
}

#[test]
fn broken_archives_are_errors() {
    let good = Deb::new("apt", "1").build();
    assert!(deb::read(&good).is_ok());
    for end in 0..good.len() {
        // What is cut off an archive's end may be padding.
        let _ = deb::read(&good[..end]);
    }
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 0x55;
        let _ = deb::read(&bad);
    }
    let header = |size: &str| {
        format!(
            "!<arch>\n{:<16}0           0     0     100644  {size:<10}`\n2.0\n",
            "debian-binary"
        )
    };
    for bad in [
        "",
        "!<arch>\n",
        &header("9999999999"),
        &header("-1"),
        &header("4"),
        "!<arch>\nshort",
    ] {
        assert!(deb::read(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let parts = |data: &[u8]| {
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &tar(&[])),
            ("data.tar", data),
        ])
    };
    let mut cut = tar(&[Member::file("./file", &"x".repeat(5000))]);
    cut.truncate(2048);
    assert!(deb::read(&parts(&cut)).unwrap_err().contains("data.tar"));
    let mut huge = tar(&[Member::file("./file", "x")]);
    huge[124..136].copy_from_slice(b"77777777777\0");
    assert!(deb::read(&parts(&huge)).is_err());
}

#[test]
fn every_compression_of_packages_is_known() {
    let data = tar(&[Member::file("./file", "content")]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&data).unwrap();
    let zst = ruzstd::encoding::compress_to_vec(
        data.as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (name, packed) in [
        ("data.tar", data.clone()),
        ("data.tar.gz", gz.finish().unwrap()),
        ("data.tar.xz", xz(&data)),
        ("data.tar.zst", zst),
    ] {
        let file = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &tar(&[])),
            (name, &packed),
        ]);
        let deb = deb::read(&file).unwrap();
        assert_eq!(deb.data.of(&deb.data.members[0]), b"content", "{name}");
    }
    let file = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &tar(&[])),
        ("data.tar.lzo", b""),
    ]);
    assert!(
        deb::read(&file)
            .unwrap_err()
            .contains("`.lzo` is no known compression")
    );
}

#[test]
fn a_package_that_unpacks_without_end_is_refused() {
    let packed = xz(&vec![0; 1 << 20]);
    assert!(packed.len() < 1000, "a bomb is small");
    let file = ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &tar(&[])),
        ("data.tar.xz", &packed),
    ]);
    let error = deb::read_limited(&file, 1 << 19).unwrap_err();
    assert!(error.contains("more than 524288 bytes"), "{error}");
}
