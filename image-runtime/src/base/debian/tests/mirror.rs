//! Makes the archive.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use pgp::composed::{CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::ser::Serialize as _;
use pgp::types::Password;

use super::super::{Archive, Mirrors, Suite};
use crate::base::download::Downloads;
use crate::digest::Digest;

/// The key of the archive.
static KEY: LazyLock<SignedSecretKey> = LazyLock::new(|| {
    SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519)
        .can_sign(true)
        .primary_user_id("test archive".to_owned())
        .build()
        .unwrap()
        .generate(rand::thread_rng())
        .unwrap()
});

/// Its public part, as it would be shipped.
static PUBLIC: LazyLock<Vec<u8>> = LazyLock::new(|| KEY.to_public_key().to_bytes().unwrap());

/// An archive in a directory.
pub(super) struct Mirror {
    root: tempfile::TempDir,
    downloads: tempfile::TempDir,
    pub(super) main: Vec<Deb>,
    pub(super) updates: Vec<Deb>,
    pub(super) security: Vec<Deb>,
    pub(super) extra_stanza: Option<String>,
    pub(super) date: &'static str,
    pub(super) valid_until: Option<&'static str>,
}

impl Mirror {
    /// An archive with a little of everything that a selection meets.
    pub(super) fn new() -> Self {
        let mut libapt = Deb::new("libapt", "2.6.1").fields("Multi-Arch: same\nDepends: awk");
        libapt
            .control
            .push(("triggers", b"activate-noawait ldconfig\n".to_vec(), 0o644));
        let mut base_files = Deb::new("base-files", "12")
            .fields("Essential: yes\nPre-Depends: usrmerge | usr-is-merged");
        base_files.data = vec![
            Member::directory("./", 0o755),
            Member::directory("./tmp/", 0o1777),
        ];
        let mirror = Self {
            root: tempfile::tempdir().unwrap(),
            downloads: tempfile::tempdir().unwrap(),
            main: vec![
                Deb::new("apt", "2.6.1").fields("Depends: libapt (>= 2), gone | libapt"),
                base_files,
                libapt,
                Deb::new("mawk", "1").fields("Provides: awk"),
                Deb::new("tzdata", "1").fields("Priority: required"),
                Deb::new("usr-is-merged", "1"),
                Deb::new("usrmerge", "1"),
                Deb::new("vim", "1").fields("Priority: optional"),
            ],
            updates: Vec::new(),
            security: Vec::new(),
            extra_stanza: None,
            date: "Sat, 10 Jan 2026 10:16:37 UTC",
            valid_until: None,
        };
        mirror.write();
        mirror
    }

    pub(super) fn archive(&self) -> Archive {
        let root = self.root.path().display().to_string();
        Archive {
            suite: Suite {
                name: "bookworm",
                main: [&PUBLIC; 2],
                security: [&PUBLIC],
            },
            architecture: "amd64",
            mirrors: Mirrors {
                main: format!("file://{root}"),
                security: format!("{root}/security"),
            },
            downloads: Downloads::new(self.downloads.path()).unwrap(),
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn edit(&self, path: &str, edit: impl Fn(&str) -> String) {
        let path = self.path(path);
        let text = edit(&std::fs::read_to_string(&path).unwrap());
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn write(&self) {
        self.write_part("", "bookworm", &self.main, self.extra_stanza.as_deref());
        self.write_part("", "bookworm-updates", &self.updates, None);
        self.write_part("security/", "bookworm-security", &self.security, None);
    }

    fn write_part(&self, archive: &str, codename: &str, packages: &[Deb], extra: Option<&str>) {
        let mut index = String::new();
        for package in packages {
            let filename = format!("pool/{}_{}.deb", package.name, package.version);
            let file = package.build();
            write(&self.path(&format!("{archive}{filename}")), &file);
            write!(
                index,
                "{}\nFilename: {filename}\nSize: {}\nSHA256: {}\n\n",
                package.stanza(),
                file.len(),
                Digest::of(&file)
            )
            .unwrap();
        }
        index += extra.unwrap_or_default();
        let packed = xz(index.as_bytes());
        let dist = format!("{archive}dists/{codename}");
        let folder = format!("{dist}/main/binary-amd64");
        write(&self.path(&format!("{folder}/Packages.xz")), &packed);
        write(
            &self.path(&format!("{folder}/by-hash/SHA256/{}", Digest::of(&packed))),
            &packed,
        );
        let valid_until = self
            .valid_until
            .map(|until| format!("Valid-Until: {until}\n"))
            .unwrap_or_default();
        let release = format!(
            "Origin: Debian\nSuite: stable\nCodename: {codename}\nDate: {}\n{valid_until}Acquire-By-Hash: yes\nSHA256:\n \
             {} {} main/binary-amd64/Packages\n {} {} main/binary-amd64/Packages.xz\n",
            self.date,
            Digest::of(index.as_bytes()),
            index.len(),
            Digest::of(&packed),
            packed.len(),
        );
        let key = &KEY.primary_key;
        let signed =
            CleartextSignedMessage::sign(rand::thread_rng(), &release, key, &Password::empty())
                .unwrap();
        let signed = signed.to_armored_string(Default::default()).unwrap();
        write(&self.path(&format!("{dist}/InRelease")), signed.as_bytes());
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub(super) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 0);
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// A package to build.
#[derive(Clone)]
pub(super) struct Deb {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    fields: &'static str,
    /// Control files beside `control`.
    pub(super) control: Vec<(&'static str, Vec<u8>, u32)>,
    pub(super) data: Vec<Member>,
}

/// An entry of a package.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) path: &'static str,
    pub(super) kind: tar::EntryType,
    pub(super) mode: u32,
    pub(super) link: &'static str,
    pub(super) content: Vec<u8>,
}

impl Member {
    pub(super) fn directory(path: &'static str, mode: u32) -> Self {
        Self {
            path,
            kind: tar::EntryType::Directory,
            mode,
            link: "",
            content: Vec::new(),
        }
    }

    pub(super) fn file(path: &'static str, content: &str) -> Self {
        Self {
            path,
            kind: tar::EntryType::Regular,
            mode: 0o644,
            link: "",
            content: content.as_bytes().to_vec(),
        }
    }

    pub(super) fn link(path: &'static str, kind: tar::EntryType, link: &'static str) -> Self {
        Self {
            path,
            kind,
            mode: 0o777,
            link,
            content: Vec::new(),
        }
    }
}

impl Deb {
    pub(super) fn new(name: &'static str, version: &'static str) -> Self {
        Self {
            name,
            version,
            fields: "",
            control: Vec::new(),
            data: vec![Member::directory("./", 0o755)],
        }
    }

    pub(super) fn fields(mut self, fields: &'static str) -> Self {
        self.fields = fields;
        self
    }

    fn stanza(&self) -> String {
        let Self {
            name,
            version,
            fields,
            ..
        } = self;
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!("\n{fields}")
        };
        format!("Package: {name}\nVersion: {version}\nArchitecture: amd64{fields}")
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let mut control = vec![Member::file("./control", &(self.stanza() + "\n"))];
        for (path, content, mode) in &self.control {
            control.push(Member {
                path,
                kind: tar::EntryType::Regular,
                mode: *mode,
                link: "",
                content: content.clone(),
            });
        }
        ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar.xz", &xz(&tar(&control))),
            ("data.tar.xz", &xz(&tar(&self.data))),
        ])
    }
}

/// A tar archive whose names are written as they are, bad ones too.
pub(super) fn tar(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..member.path.len()].copy_from_slice(member.path.as_bytes());
        old.linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(3);
        header.set_gid(4);
        header.set_mtime(5);
        header.set_size(member.content.len() as u64);
        header.set_cksum();
        builder.append(&header, member.content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub(super) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, body) in members {
        archive.extend_from_slice(
            format!(
                "{name:<16}0           0     0     100644  {:<10}`\n",
                body.len()
            )
            .as_bytes(),
        );
        archive.extend_from_slice(body);
        if body.len() % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}
