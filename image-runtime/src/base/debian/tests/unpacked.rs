//! What an unpacked tree looks like.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::mirror::{Deb, Member, Mirror};
use crate::engine::{Entry, EntryKind, FileSink};

/// Remembers a tree.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) entries: Vec<Entry>,
    pub(super) texts: BTreeMap<String, String>,
}

impl FileSink for Seen {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        let size = if let EntryKind::File { size } = entry.kind {
            size
        } else {
            0
        };
        assert_eq!(size, bytes.len() as u64, "{}", entry.path.display());
        self.texts.insert(
            entry.path.display().to_string(),
            String::from_utf8(bytes).unwrap(),
        );
        self.entries.push(entry.clone());
        Ok(())
    }
}

impl Seen {
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.path.to_str() == Some(path))
    }
}

/// Unpacks an archive.
pub(super) async fn unpack(mirror: &Mirror) -> io::Result<Seen> {
    let archive = mirror.archive();
    let resolved = archive.resolve().await.unwrap();
    archive.fetch(&resolved, &|_, _| {}).await.unwrap();
    let mut seen = Seen::default();
    archive.files(&resolved).walk(&mut seen)?;
    Ok(seen)
}

/// An archive in which apt has these entries.
pub(super) fn with_apt(data: Vec<Member>) -> Mirror {
    let mut mirror = Mirror::new();
    mirror.main[0].data = data;
    mirror.write();
    mirror
}

#[tokio::test]
async fn parents_come_before_children_and_nothing_comes_twice() {
    let mut mirror = with_apt(vec![
        Member::file("./usr/lib/a/b/c", "deep"),
        Member::directory("./usr/", 0o700),
    ]);
    mirror.main[4].data = vec![
        Member::directory("./usr/lib/a/", 0o755),
        Member::directory("./tmp/", 0o700),
    ];
    mirror.write();
    let seen = unpack(&mirror).await.unwrap();
    let mut before: Vec<&std::path::Path> = vec!["".as_ref()];
    for entry in &seen.entries {
        assert!(
            before.contains(&entry.path.parent().unwrap()),
            "{} has no parent",
            entry.path.display()
        );
        assert!(
            !before.contains(&entry.path.as_path()),
            "{} comes twice",
            entry.path.display()
        );
        before.push(&entry.path);
    }
    assert_eq!(
        seen.entry("tmp").unwrap().mode,
        0o1777,
        "base-files comes first"
    );
}

#[tokio::test]
async fn merged_directories_are_links_and_what_packages_have_in_them_lies_below_usr() {
    let data = vec![
        Member::directory("./bin/", 0o755),
        Member::file("./bin/apt", "program"),
        Member::link("./bin/hard", tar::EntryType::Link, "./bin/apt"),
        Member::link("./lib64", tar::EntryType::Symlink, "usr/lib64"),
    ];
    let seen = unpack(&with_apt(data)).await.unwrap();
    let kind = |path: &str| &seen.entry(path).unwrap().kind;
    assert_eq!(
        kind("bin"),
        &EntryKind::Symlink {
            target: "usr/bin".into()
        }
    );
    assert_eq!(
        kind("lib64"),
        &EntryKind::Symlink {
            target: "usr/lib64".into()
        }
    );
    assert_eq!(
        kind("usr/bin/hard"),
        &EntryKind::HardLink {
            target: "usr/bin/apt".into()
        }
    );
    assert!(seen.entry("bin/apt").is_none());
    let apt = seen.entry("usr/bin/apt").unwrap();
    assert_eq!((apt.uid, apt.gid, apt.mtime, apt.mode), (3, 4, 5, 0o644));
}

#[tokio::test]
async fn documentation_is_left_out_and_licences_are_not() {
    let data = vec![
        Member::directory("./usr/share/doc/apt/", 0o755),
        Member::file("./usr/share/doc/apt/NEWS", "news"),
        Member::file("./usr/share/doc/apt/copyright", "GPL"),
        Member::file("./usr/share/man/man8/apt.8", "manual"),
    ];
    let seen = unpack(&with_apt(data)).await.unwrap();
    assert_eq!(seen.texts["usr/share/doc/apt/copyright"], "GPL");
    assert!(!seen.texts.contains_key("usr/share/doc/apt/NEWS"));
    assert!(!seen.texts.contains_key("usr/share/man/man8/apt.8"));
    assert!(seen.texts["var/lib/dpkg/info/apt.list"].contains("/usr/share/man/man8/apt.8\n"));
}

#[tokio::test]
async fn the_database_is_as_dpkg_leaves_it_before_configuring() {
    let mut mirror = with_apt(vec![
        Member::directory("./", 0o755),
        Member::directory("./etc/", 0o755),
        Member::file("./etc/apt.conf", "settings"),
    ]);
    mirror.main[0].control = vec![
        (
            "conffiles",
            b"/etc/apt.conf\nremove-on-upgrade /etc/old\n".to_vec(),
            0o644,
        ),
        ("postinst", b"#!/bin/sh\n".to_vec(), 0o755),
        (
            "triggers",
            b"# why\ninterest-noawait /usr/lib # no\ninterest ldconfig\nactivate x\n".to_vec(),
            0o644,
        ),
    ];
    mirror.write();
    let seen = unpack(&mirror).await.unwrap();
    let apt = "Package: apt\nStatus: install ok unpacked\nVersion: 2.6.1\nArchitecture: amd64\n\
               Depends: libapt (>= 2), gone | libapt\nConffiles:\n /etc/apt.conf newconffile\n\n";
    assert!(
        seen.texts["var/lib/dpkg/status"].contains(apt),
        "{}",
        seen.texts["var/lib/dpkg/status"]
    );
    assert_eq!(seen.texts["etc/apt.conf.dpkg-new"], "settings");
    assert_eq!(
        seen.texts["var/lib/dpkg/info/apt.list"],
        "/.\n/etc\n/etc/apt.conf\n"
    );
    assert_eq!(
        seen.entry("var/lib/dpkg/info/apt.postinst").unwrap().mode,
        0o755
    );
    assert!(
        seen.texts
            .contains_key("var/lib/dpkg/info/libapt:amd64.list")
    );
    assert_eq!(
        seen.texts["var/lib/dpkg/triggers/File"],
        "/usr/lib apt/noawait\n"
    );
    assert_eq!(seen.texts["var/lib/dpkg/triggers/ldconfig"], "apt\n");
}

#[tokio::test]
async fn apt_in_the_base_knows_mirrors_that_a_container_can_reach() {
    let mirror = Mirror::new();
    let sources = &unpack(&mirror).await.unwrap().texts["etc/apt/sources.list.d/debian.sources"];
    assert!(
        sources.contains("Suites: bookworm bookworm-updates\n")
            && sources.contains("Suites: bookworm-security\n")
    );
    assert!(!sources.contains("file:"), "{sources}");
}

#[tokio::test]
async fn many_packages_stay_in_order() {
    let mut mirror = Mirror::new();
    for index in 0..60_usize {
        let name = format!("p{index:02}").leak();
        let path = format!("./usr/lib/{name}").leak();
        let mut deb = Deb::new(name, "1").fields("Essential: yes");
        // Big ones take longer than small ones.
        deb.data.push(Member::file(
            path,
            &"x".repeat(if index % 7 == 0 { 1 << 20 } else { 1 }),
        ));
        mirror.main.push(deb);
    }
    mirror.write();
    let seen = unpack(&mirror).await.unwrap();
    let paths: Vec<_> = seen
        .entries
        .iter()
        .map(|entry| entry.path.clone())
        .filter(|path| path.starts_with("usr/lib/"))
        .collect();
    let packages: Vec<_> = paths
        .iter()
        .filter(|path| path.to_string_lossy().starts_with("usr/lib/p"))
        .collect();
    assert_eq!(packages.len(), 60);
    assert!(packages.is_sorted());
}
