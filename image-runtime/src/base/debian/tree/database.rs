//! dpkg's database (`/var/lib/dpkg`), as dpkg itself leaves it after unpacking packages and before configuring them.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::UnpackError;
use super::merge::Merge;

use crate::base::debian::deb::{Deb, Member};
use crate::base::debian::path::clean;
use crate::engine::EntryKind;

const ROOT: &str = "var/lib/dpkg";

/// What is gathered from the packages.
#[derive(Debug, Default)]
pub(super) struct Database {
    status: String,
    /// Files in `info`: name, mode, content.
    info: Vec<(String, u32, Vec<u8>)>,
    /// Who is interested in a path.
    path_triggers: String,
    /// Who is interested in a name.
    triggers: BTreeMap<String, String>,
}

impl Database {
    /// Adds a package. Answers its configuration files.
    pub(super) fn add(&mut self, name: &str, deb: &Deb) -> Result<HashSet<PathBuf>, UnpackError> {
        self.add_package(name, deb).map_err(|reason| UnpackError {
            package: name.to_owned(),
            reason,
        })
    }

    fn add_package(&mut self, name: &str, deb: &Deb) -> Result<HashSet<PathBuf>, String> {
        let control = text(deb, "control")?.ok_or("it has no `control`")?;
        let (first, rest) = control
            .trim()
            .split_once('\n')
            .ok_or("its `control` is malformed")?;
        if first != format!("Package: {name}") || rest.contains("\n\n") {
            return Err("its `control` is that of another package".to_owned());
        }
        self.status += &format!("{first}\nStatus: install ok unpacked\n{rest}\n");
        let conffiles = self.add_conffiles(text(deb, "conffiles")?.unwrap_or_default())?;
        self.status.push('\n');

        let field = |wanted: &str| {
            rest.lines()
                .find_map(|line| line.strip_prefix(wanted))
                .map(str::trim)
        };
        // The files of packages that may be there for several architectures have the architecture in their names.
        let stem = match (field("Multi-Arch:"), field("Architecture:")) {
            (Some("same"), Some(architecture)) => format!("{name}:{architecture}"),
            _ => name.to_owned(),
        };
        for member in &deb.control.members {
            if let EntryKind::File { .. } = member.kind
                && member.path != Path::new("control")
            {
                let file = control_name(member)?;
                self.info.push((
                    format!("{stem}.{file}"),
                    member.mode & 0o755,
                    deb.control.of(member).to_vec(),
                ));
            }
        }
        self.info.push((format!("{stem}.list"), 0o644, list(deb)));
        self.add_triggers(&stem, text(deb, "triggers")?.unwrap_or_default())?;
        Ok(conffiles)
    }

    fn add_conffiles(&mut self, conffiles: &str) -> Result<HashSet<PathBuf>, String> {
        let mut paths = HashSet::new();
        // A line with a flag before its path names a file that is to go.
        for path in conffiles
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with('/'))
        {
            if paths.is_empty() {
                self.status += "Conffiles:\n";
            }
            self.status += &format!(" {path} newconffile\n");
            let inside = clean(path.trim_start_matches('/').as_bytes());
            paths.insert(inside.ok_or_else(|| {
                format!("its configuration file `{path}` leaves the root directory")
            })?);
        }
        Ok(paths)
    }

    fn add_triggers(&mut self, stem: &str, triggers: &str) -> Result<(), String> {
        for line in triggers.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else {
                continue;
            };
            let suffix = match directive {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            if trigger.starts_with('/') {
                self.path_triggers += &format!("{trigger} {stem}{suffix}\n");
            } else if trigger
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
            {
                *self.triggers.entry(trigger.to_owned()).or_default() +=
                    &format!("{stem}{suffix}\n");
            } else {
                return Err(format!("its trigger `{trigger}` is malformed"));
            }
        }
        Ok(())
    }

    /// Writes it all.
    pub(super) fn write(&self, architecture: &str, merge: &mut Merge<'_>) -> io::Result<()> {
        let mut file = |path: &str, mode, content: &[u8]| {
            merge.generated(format!("{ROOT}/{path}"), mode, content)
        };
        file("status", 0o644, self.status.as_bytes())?;
        file("available", 0o644, b"")?;
        file("diversions", 0o644, b"")?;
        file("statoverride", 0o644, b"")?;
        file("arch", 0o644, format!("{architecture}\n").as_bytes())?;
        file("info/format", 0o644, b"1\n")?;
        for (name, mode, content) in &self.info {
            file(&format!("info/{name}"), *mode, content)?;
        }
        file("triggers/File", 0o644, self.path_triggers.as_bytes())?;
        file("triggers/Unincorp", 0o644, b"")?;
        for (name, interested) in &self.triggers {
            file(&format!("triggers/{name}"), 0o644, interested.as_bytes())?;
        }
        for directory in ["alternatives", "parts", "updates"] {
            merge.directory(&Path::new(ROOT).join(directory))?;
        }
        Ok(())
    }
}

/// A control file as text.
fn text<'a>(deb: &'a Deb, name: &str) -> Result<Option<&'a str>, String> {
    let Some(member) = deb
        .control
        .members
        .iter()
        .find(|member| member.path == Path::new(name))
    else {
        return Ok(None);
    };
    std::str::from_utf8(deb.control.of(member))
        .map(Some)
        .map_err(|_| format!("its `{name}` is not UTF-8"))
}

/// The name of a control file, which becomes part of a file name.
fn control_name(member: &Member) -> Result<&str, String> {
    member
        .path
        .to_str()
        .filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
        .ok_or_else(|| format!("`{}` is no control file", member.path.display()))
}

/// The paths of a package, those that are left out too.
fn list(deb: &Deb) -> Vec<u8> {
    let mut list = Vec::new();
    for member in &deb.data.members {
        let path = member.path.as_os_str().as_bytes();
        list.push(b'/');
        list.extend_from_slice(if path.is_empty() { b"." } else { path });
        list.push(b'\n');
    }
    list
}
