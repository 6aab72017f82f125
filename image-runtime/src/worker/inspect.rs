//! Which packages an image holds, read from where their managers note it: no program of the image takes part.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::plan::{CONDA_PREFIX, Contents, normalized};

/// What a [`Command`](crate::protocol::Command) names to have this done: no program, the worker itself. The argument is where the
/// answer goes.
pub(crate) const INSPECT: &str = "/dev/image-runtime/inspect";

/// Does it.
pub(super) fn inspect(arguments: &[String]) -> io::Result<()> {
    let [to] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::write(to, serde_json::to_vec(&contents(Path::new("/")))?)
}

fn contents(root: &Path) -> Contents {
    let status = fs::read(root.join("var/lib/dpkg/status")).unwrap_or_default();
    Contents {
        apt: debian_packages(&String::from_utf8_lossy(&status)),
        python: python_packages(root),
        conda: conda_packages(root),
    }
}

/// The installed packages of dpkg's status; those of another architecture than dpkg's own with that: `libc6:i386`.
fn debian_packages(status: &str) -> BTreeMap<String, String> {
    let mut all = Vec::new();
    for paragraph in status.split("\n\n") {
        let field = |name: &str| {
            let lines = paragraph.lines();
            let value = lines
                .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .next();
            value.unwrap_or_default()
        };
        if field("Status").ends_with(" installed") {
            all.push((field("Package"), field("Architecture"), field("Version")));
        }
    }
    let own = all
        .iter()
        .find(|(name, _, _)| *name == "dpkg")
        .map_or("", |(_, of, _)| *of);
    let named = all.iter().map(|(name, of, version)| {
        let name = match *of == "all" || *of == own {
            true => (*name).to_owned(),
            false => format!("{name}:{of}"),
        };
        (name, (*version).to_owned())
    });
    named.collect()
}

/// What is installed beside the Pythons of an image; Debian's own packages are dpkg's.
fn python_packages(root: &Path) -> BTreeMap<String, (String, Option<String>)> {
    let mut prefixes = vec![root.join("usr"), root.join("usr/local")];
    prefixes.extend(entries(&root.join("opt")));
    let pythons = prefixes
        .iter()
        .flat_map(|prefix| entries(&prefix.join("lib")));
    let pythons = pythons.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("python3.")
    });
    let folders =
        pythons.flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)));
    let packages = folders.flat_map(|folder| entries(&folder));
    packages
        .filter(|path| path.extension().is_some_and(|is| is == "dist-info"))
        .filter_map(|info| python_package(&info))
        .collect()
}

fn python_package(info: &Path) -> Option<(String, (String, Option<String>))> {
    let metadata = fs::read(info.join("METADATA")).ok()?;
    let metadata = String::from_utf8_lossy(&metadata);
    let head = || metadata.lines().take_while(|line| !line.is_empty());
    let field =
        |name: &str| head().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let origin = fs::read(info.join("direct_url.json")).ok();
    let origin = origin.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let url = origin.and_then(|origin| {
        let url = origin["url"].as_str()?.to_owned();
        let vcs = &origin["vcs_info"];
        let url = match (vcs["vcs"].as_str(), vcs["commit_id"].as_str()) {
            (Some(vcs), Some(commit)) => format!("{vcs}+{url}@{commit}"),
            _ => url,
        };
        Some(match origin["subdirectory"].as_str() {
            Some(folder) => format!("{url}#subdirectory={folder}"),
            None => url,
        })
    });
    Some((normalized(&field("Name:")?), (field("Version:")?, url)))
}

/// What is installed in the prefix of conda, by its own records.
fn conda_packages(root: &Path) -> BTreeMap<String, String> {
    let prefix = CONDA_PREFIX.trim_start_matches('/');
    let records = entries(&root.join(prefix).join("conda-meta"));
    let records = records
        .iter()
        .filter(|path| path.extension().is_some_and(|is| is == "json"));
    let package = |path: &PathBuf| {
        let record: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let text = |name: &str| record[name].as_str();
        let hash = match (text("sha256"), text("md5")) {
            (Some(sha256), _) => format!("#sha256={sha256}"),
            (None, Some(md5)) => format!("#md5={md5}"),
            (None, None) => String::new(),
        };
        Some((text("name")?.to_owned(), format!("{}{hash}", text("url")?)))
    };
    records.filter_map(package).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_where_dpkg_and_pip_note_them() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "var/lib/dpkg/status",
            "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.21\n\n\
             Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36\nDescription: a\n Version: 9\n\n\
             Package: vim\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 9\n",
        );
        let packages = "usr/local/lib/python3.11/dist-packages";
        write(
            &format!("{packages}/Typing_Ext-4.dist-info/METADATA"),
            "Metadata-Version: 2.1\nName: Typing_Ext\nVersion: 4\n\nName: no\n",
        );
        write(
            &format!("{packages}/a-1.dist-info/METADATA"),
            "Name: a\nVersion: 1\n",
        );
        write(
            &format!("{packages}/a-1.dist-info/direct_url.json"),
            r#"{"url": "https://host/a", "vcs_info": {"vcs": "git", "commit_id": "c0"}, "subdirectory": "b"}"#,
        );
        write(
            "usr/lib/python3/dist-packages/debian-1.dist-info/METADATA",
            "Name: debian\nVersion: 1\n",
        );
        write(
            "opt/conda/conda-meta/words-1.0-0.json",
            r#"{"name": "words", "url": "https://host/words-1.0-0.conda", "sha256": "c0"}"#,
        );
        write("opt/conda/conda-meta/history", "");
        let found = contents(root.path());
        let words = "https://host/words-1.0-0.conda#sha256=c0";
        let conda = [("words".to_owned(), words.to_owned())];
        assert_eq!(found.conda, conda.into());
        let apt = [("dpkg", "1.21"), ("libc6:i386", "2.36")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(found.apt, apt.into());
        let url = Some("git+https://host/a@c0#subdirectory=b".to_owned());
        let python = [("a", ("1", url)), ("typing-ext", ("4", None))];
        assert_eq!(
            found.python,
            python
                .map(|(name, (version, url))| (name.to_owned(), (version.to_owned(), url)))
                .into()
        );
    }
}
