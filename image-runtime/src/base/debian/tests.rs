//! An archive of a few packages, made and signed here, in a directory; and everything that can be wrong with one.

mod hostile;
mod mirror;
mod unpacked;

use super::*;
use mirror::{Deb, Mirror};

#[tokio::test]
async fn the_minimal_set_is_what_is_essential_or_required_and_apt_and_their_needs() {
    let mirror = Mirror::new();
    let resolved = mirror.archive().resolve().await.unwrap();
    let names: Vec<&str> = resolved
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "apt",
            "base-files",
            "libapt",
            "mawk",
            "tzdata",
            "usr-is-merged"
        ]
    );
    assert_eq!(resolved.suite, "bookworm");
}

#[tokio::test]
async fn the_newest_of_release_updates_and_security_wins() {
    let mut mirror = Mirror::new();
    let all = |mirror: &Mirror| {
        let archive = mirror.archive();
        async move {
            let resolved = archive.resolve().await.unwrap();
            resolved
                .packages
                .into_iter()
                .find(|package| package.name == "apt")
                .unwrap()
        }
    };
    mirror.updates.push(Deb::new("apt", "2.6.1~rc1"));
    mirror.write();
    assert_eq!(all(&mirror).await.version, "2.6.1");
    mirror.security.push(Deb::new("apt", "2.6.10"));
    mirror.write();
    let apt = all(&mirror).await;
    assert_eq!(
        (apt.version.as_str(), apt.origin),
        ("2.6.10", Origin::Security)
    );
}

#[tokio::test]
async fn the_identity_is_that_of_the_packages_and_not_of_the_day() {
    let mut mirror = Mirror::new();
    let first = mirror.archive().resolve().await.unwrap();
    mirror.date = "Sat, 11 Jul 2026 10:16:37 UTC";
    mirror.write();
    let later = mirror.archive().resolve().await.unwrap();
    assert_ne!(first.release_date, later.release_date);
    assert_eq!(first.identity(), later.identity());
    mirror.main[0] = Deb::new("apt", "2.6.2").fields("Depends: libapt");
    mirror.write();
    assert_ne!(
        first.identity(),
        mirror.archive().resolve().await.unwrap().identity()
    );
}

#[tokio::test]
async fn an_archive_without_indexes_by_hash_is_read_too() {
    let mirror = Mirror::new();
    std::fs::remove_dir_all(mirror.path("dists/bookworm/main/binary-amd64/by-hash")).unwrap();
    mirror.archive().resolve().await.unwrap();
}

#[tokio::test]
async fn a_text_that_was_changed_after_it_was_signed_is_refused() {
    let mirror = Mirror::new();
    mirror.edit("dists/bookworm/InRelease", |text| {
        text.replace("Suite: stable", "Suite: unstable")
    });
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(
        matches!(&error, DebianError::Untrusted { reason, .. } if reason.contains("not the one that was signed")),
        "{error}"
    );
}

#[tokio::test]
async fn text_around_the_signed_one_is_refused() {
    for edit in [
        |text: &str| format!("Codename: bookworm\n\n{text}"),
        |text: &str| format!("{text}\nCodename: bookworm\n"),
    ] {
        let mirror = Mirror::new();
        mirror.edit("dists/bookworm/InRelease", edit);
        let error = mirror.archive().resolve().await.unwrap_err();
        assert!(matches!(error, DebianError::Untrusted { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_signature_by_an_unknown_key_is_refused() {
    let mirror = Mirror::new();
    let archive = Archive {
        suite: *SUITES
            .iter()
            .find(|suite| suite.name == "bookworm")
            .unwrap(),
        ..mirror.archive()
    };
    let error = archive.resolve().await.unwrap_err();
    assert!(
        matches!(&error, DebianError::Untrusted { reason, .. } if reason.contains("by a key that this suite trusts")),
        "{error}"
    );
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_release_file() {
    let mirror = Mirror::new();
    mirror.edit("dists/bookworm/InRelease", |_| {
        "<html>please log in</html>".to_owned()
    });
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(matches!(error, DebianError::Untrusted { .. }), "{error}");
}

#[tokio::test]
async fn the_release_file_of_another_suite_is_refused() {
    let mirror = Mirror::new();
    std::fs::copy(
        mirror.path("dists/bookworm-updates/InRelease"),
        mirror.path("dists/bookworm/InRelease"),
    )
    .unwrap();
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(
        matches!(&error, DebianError::WrongSuite { found, .. } if found == "bookworm-updates"),
        "{error}"
    );
}

#[tokio::test]
async fn a_release_file_past_its_time_is_refused() {
    let mut mirror = Mirror::new();
    mirror.valid_until = Some("Sat, 11 Jul 2020 10:16:37 UTC");
    mirror.write();
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(matches!(error, DebianError::Expired { .. }), "{error}");
}

#[tokio::test]
async fn a_suite_that_the_mirror_does_not_have_is_told_with_what_to_do() {
    let mirror = Mirror::new();
    std::fs::remove_dir_all(mirror.path("dists/bookworm-updates")).unwrap();
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(
        matches!(&error, DebianError::NoSuchSuite { suite, .. } if suite == "bookworm-updates"),
        "{error}"
    );
    assert!(error.to_string().contains("IMAGE_DEBIAN_MIRROR"), "{error}");
}

#[tokio::test]
async fn an_index_that_was_changed_is_refused() {
    let mirror = Mirror::new();
    std::fs::remove_dir_all(mirror.path("dists/bookworm/main/binary-amd64/by-hash")).unwrap();
    let index = mirror.path("dists/bookworm/main/binary-amd64/Packages.xz");
    let mut bytes = std::fs::read(&index).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(index, bytes).unwrap();
    let error = mirror.archive().resolve().await.unwrap_err();
    assert!(
        matches!(
            error,
            DebianError::Download(DownloadError::WrongChecksum { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_package_that_was_changed_is_refused() {
    let mirror = Mirror::new();
    let archive = mirror.archive();
    let resolved = archive.resolve().await.unwrap();
    let package = mirror.path(&resolved.packages[0].filename);
    let mut bytes = std::fs::read(&package).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(package, bytes).unwrap();
    let error = archive.fetch(&resolved, &|_, _| {}).await.unwrap_err();
    assert!(
        matches!(
            error,
            DebianError::Download(DownloadError::WrongChecksum { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_package_that_was_replaced_since_is_told_with_what_to_do() {
    let mirror = Mirror::new();
    let archive = mirror.archive();
    let resolved = archive.resolve().await.unwrap();
    std::fs::remove_file(mirror.path(&resolved.packages[0].filename)).unwrap();
    let error = archive.fetch(&resolved, &|_, _| {}).await.unwrap_err();
    assert!(
        matches!(&error, DebianError::Gone { package, .. } if package == "apt_2.6.1.deb"),
        "{error}"
    );
}

#[tokio::test]
async fn a_malformed_stanza_is_named() {
    let rest = format!(
        "Version: 9\nArchitecture: amd64\nSize: 1\nFilename: x\nSHA256: {}",
        Digest::of(b"")
    );
    let cases = [
        (
            format!("Version: 9\nPackage: apt\n{rest}"),
            "does not begin with `Package`",
        ),
        (
            "Package: apt\nArchitecture: amd64".to_owned(),
            "has no `Version`",
        ),
        (
            format!("Package: apt\nno field\n{rest}"),
            "no control stanza",
        ),
        (
            "Package: apt\nVersion: 9".to_owned(),
            "has no `Architecture`",
        ),
        (
            format!("Package: apt\n{}", rest.replace("SHA256: ", "SHA256: x")),
            "`SHA256` is malformed",
        ),
        (
            format!("Package: apt\n{}", rest.replace("Size: ", "Size: -")),
            "`Size` is malformed",
        ),
        (
            format!("Package: apt\n{rest}\nDepends: a b"),
            "`a b` in its `Depends` is malformed",
        ),
        (
            format!("Package: ../apt\nEssential: yes\n{rest}"),
            "is no package name",
        ),
        (
            format!(
                "Package: apt\n{}",
                rest.replace("Filename: x", "Filename: pool/../../etc/passwd")
            ),
            "leaves the archive",
        ),
    ];
    for (stanza, reason) in cases {
        let mut mirror = Mirror::new();
        mirror.extra_stanza = Some(stanza.clone());
        mirror.write();
        let error = mirror.archive().resolve().await.unwrap_err();
        assert!(
            matches!(&error, DebianError::Malformed { reason: said, .. } if said.contains(reason)),
            "{stanza}: {error}"
        );
    }
}

#[tokio::test]
async fn a_need_that_nothing_satisfies_is_named_with_who_has_it() {
    let mut mirror = Mirror::new();
    mirror
        .main
        .push(Deb::new("lonely", "1").fields("Essential: yes\nDepends: libapt (>= 99) | nothing"));
    mirror.write();
    let error = mirror.archive().resolve().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the archive has no package for `libapt | nothing`, which `lonely` needs"
    );
}

#[test]
fn only_known_suites_and_architectures_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let error = Archive::new("sid", "amd64", directory.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`bullseye`, `bookworm`, `trixie`"),
        "{error}"
    );
    let error = Archive::new("bookworm", "riscv64", directory.path()).unwrap_err();
    assert!(matches!(error, DebianError::UnknownArchitecture { .. }));
}

#[test]
fn every_key_that_is_shipped_can_be_read_and_holds_together() {
    use pgp::composed::{Deserializable, SignedPublicKey};
    for suite in SUITES {
        for key in suite.main.into_iter().chain(suite.security) {
            let key = SignedPublicKey::from_bytes(key).unwrap();
            for subkey in &key.public_subkeys {
                subkey.verify_bindings(&key.primary_key).unwrap();
            }
        }
    }
}
