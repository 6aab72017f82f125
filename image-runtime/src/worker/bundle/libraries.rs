//! Finds the libraries of a program where its loader would find them, without running anything.

use std::collections::{HashSet, VecDeque};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::BundleError;
use super::elf::Elf;

/// Libraries that the C library loads while a program runs, and the one that unwinds panics and cancelled threads.
const LOADED_LATER: [&str; 4] = [
    "libgcc_s.so.1",
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libnss_compat.so.2",
];

/// A library, by the name that asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Library {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// One object whose libraries are to be found.
struct Object {
    /// Who it is, in errors.
    path: PathBuf,
    elf: Elf,
    /// The `DT_RPATH` of all that led to it, nearest first.
    inherited: Vec<PathBuf>,
}

/// All libraries that the program at `path` needs, and theirs.
pub(super) fn closure(path: &Path, program: &Elf) -> Result<Vec<Library>, BundleError> {
    let usual = usual_folders(Path::new("/"));
    let from_environment = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let from_environment: Vec<PathBuf> = env::split_paths(&from_environment)
        .filter(|path| path.is_absolute())
        .collect();
    let mut found: Vec<Library> = Vec::new();
    let mut known = HashSet::new();
    let mut queue = VecDeque::from([Object {
        path: path.to_owned(),
        elf: program.clone(),
        inherited: Vec::new(),
    }]);
    let mut later = LOADED_LATER.iter();
    loop {
        let Some(object) = queue.pop_front() else {
            // When all that is needed is there, what is loaded later, where it exists.
            let Some(name) = later.next() else {
                return Ok(found);
            };
            if known.insert((*name).to_owned())
                && let Some((path, elf)) = search(name, program, usual.iter())
            {
                found.push(Library {
                    name: (*name).to_owned(),
                    path: path.clone(),
                });
                queue.push_back(Object {
                    path,
                    elf,
                    inherited: Vec::new(),
                });
            }
            continue;
        };
        let folder = object.path.parent().unwrap_or(Path::new("/"));
        let own = |folders: &[String]| -> Vec<PathBuf> {
            folders.iter().map(|text| expand(text, folder)).collect()
        };
        let (rpath, runpath) = (own(&object.elf.rpath), own(&object.elf.runpath));
        // As ld.so(8) says: `DT_RPATH` counts only where there is no `DT_RUNPATH`.
        let inherited: Vec<PathBuf> = if runpath.is_empty() {
            rpath.into_iter().chain(object.inherited).collect()
        } else {
            Vec::new()
        };
        for name in &object.elf.needed {
            if !known.insert(name.clone()) {
                continue;
            }
            let folders = inherited
                .iter()
                .chain(&from_environment)
                .chain(&runpath)
                .chain(&usual);
            let Some((path, elf)) = search(name, program, folders) else {
                return Err(BundleError::NoLibrary {
                    name: name.clone(),
                    needed_by: object.path,
                });
            };
            found.push(Library {
                name: name.clone(),
                path: path.clone(),
            });
            queue.push_back(Object {
                path,
                elf,
                inherited: inherited.clone(),
            });
        }
    }
}

/// The first file of that name that the program can load.
fn search<'a>(
    name: &str,
    program: &Elf,
    folders: impl Iterator<Item = &'a PathBuf>,
) -> Option<(PathBuf, Elf)> {
    // A name with a slash would be opened as it stands, also inside the container.
    let mut folders = folders.filter(|_| !name.contains('/'));
    folders.find_map(|folder| {
        let path = folder.join(name);
        let elf = path.is_file().then(|| Elf::read(&path).ok()).flatten()?;
        (elf.kind == program.kind).then_some((path, elf))
    })
}

fn expand(folder: &str, origin: &Path) -> PathBuf {
    let origin = origin.to_string_lossy();
    PathBuf::from(
        folder
            .replace("${ORIGIN}", &origin)
            .replace("$ORIGIN", &origin),
    )
}

/// Where every program's libraries are looked for: what `ldconfig` is told, then the folders that loaders know.
fn usual_folders(root: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    read_configuration(root, &root.join("etc/ld.so.conf"), &mut folders);
    for base in ["lib", "usr/lib", "lib64", "usr/lib64", "usr/local/lib"] {
        let base = root.join(base);
        // Debian's `lib/x86_64-linux-gnu`; a library for another machine is passed over.
        let multiarch = fs::read_dir(&base)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let multiarch = multiarch.filter(|path| path.to_string_lossy().contains("-linux-"));
        folders.extend(multiarch.filter(|path| path.is_dir()));
        folders.push(base);
    }
    folders
}

fn read_configuration(root: &Path, file: &Path, folders: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ") {
            for included in matching(root, pattern.trim()) {
                read_configuration(root, &included, folders);
            }
        } else if let Some(folder) = line.strip_prefix('/') {
            folders.push(root.join(folder));
        }
    }
}

/// The files that `folder/*.conf` names, the only pattern that distributions use.
fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((folder, name)) = pattern.trim_start_matches('/').rsplit_once('/') else {
        return Vec::new();
    };
    let Some((before, after)) = name.split_once('*') else {
        return vec![root.join(folder).join(name)];
    };
    let entries = fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(before) && name.ends_with(after)
        })
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_the_system_come_from_its_configuration_first() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "etc/ld.so.conf",
            "include /etc/ld.so.conf.d/*.conf\n/opt/own # why\n",
        );
        put("etc/ld.so.conf.d/b.conf", "/opt/b\n");
        put("etc/ld.so.conf.d/a.conf", "# none\n/opt/a\n");
        put("lib/x86_64-linux-gnu/x", "");
        let folders = usual_folders(root.path());
        let folders: Vec<_> = folders
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap())
            .collect();
        let expected = [
            "opt/a",
            "opt/b",
            "opt/own",
            "lib/x86_64-linux-gnu",
            "lib",
            "usr/lib",
        ];
        assert_eq!(folders[..6], expected.map(Path::new));
    }

    #[test]
    fn origin_is_the_folder_of_the_object() {
        assert_eq!(
            expand("$ORIGIN/../lib", Path::new("/a/bin")),
            Path::new("/a/bin/../lib")
        );
        assert_eq!(expand("${ORIGIN}", Path::new("/a")), Path::new("/a"));
    }

    #[test]
    fn the_libraries_of_this_program_are_found_once_each() {
        let path = env::current_exe().unwrap();
        let libraries = closure(&path, &Elf::read(&path).unwrap()).unwrap();
        let mut names: Vec<_> = libraries
            .iter()
            .map(|library| library.name.as_str())
            .collect();
        assert!(
            names.iter().any(|name| name.starts_with("libc.")),
            "{names:?}"
        );
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
