//! Files and directories of this machine, looked for while compiling.

use std::env;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

use super::plain::no_nul;
use crate::diag::{Fault, nearest};

/// A file for `copy_local_file`.
pub(crate) fn copied_file(text: &str) -> Result<(), Fault> {
    text_file(text).map_err(|fault| fault.maybe_help(other(text, true, "copy_local_dir")))
}

/// A file for `add_local_file`.
pub(crate) fn added_file(text: &str) -> Result<(), Fault> {
    text_file(text).map_err(|fault| fault.maybe_help(other(text, true, "add_local_dir")))
}

/// A directory for `copy_local_dir`.
pub(crate) fn copied_directory(text: &str) -> Result<(), Fault> {
    directory(text).map_err(|fault| fault.maybe_help(other(text, false, "copy_local_file")))
}

/// A directory for `add_local_dir`.
pub(crate) fn added_directory(text: &str) -> Result<(), Fault> {
    directory(text).map_err(|fault| fault.maybe_help(other(text, false, "add_local_file")))
}

/// The verb that takes what is there.
fn other(text: &str, is_directory: bool, verb: &str) -> Option<String> {
    let found = fs::metadata(in_crate(text)).ok()?;
    (!text.is_empty() && found.is_dir() == is_directory).then(|| format!("`{verb}` takes it"))
}

/// A file that is read while compiling.
pub(crate) fn text_file(text: &str) -> Result<(), Fault> {
    let path = resolve(text, "file")?;
    match fs::metadata(path).map(|found| found.file_type()) {
        Ok(found) if found.is_dir() => Err(Fault::new(format!("`{text}` is a directory"))),
        Ok(found) if !found.is_file() => {
            let what = special(found);
            Err(Fault::new(format!("`{text}` is {what}, and no file")))
        }
        _ => Ok(()),
    }
}

/// What is neither a file nor a directory.
fn special(found: fs::FileType) -> &'static str {
    match found {
        found if found.is_fifo() => "a named pipe",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

/// The text of a file that [`text_file`] takes.
pub(crate) fn read(text: &str) -> Result<String, Fault> {
    fs::read_to_string(in_crate(text))
        .map_err(|error| Fault::new(format!("`{text}` cannot be read: {error}")))
}

/// A local path as it lies on this machine.
pub(crate) fn in_crate(text: &str) -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(text)
}

/// A directory, as of a build's context.
pub(crate) fn directory(text: &str) -> Result<(), Fault> {
    let path = resolve(text, "directory")?;
    match path.is_dir() {
        true => Ok(()),
        false => Err(Fault::new(format!("`{text}` is a file"))),
    }
}

/// The directory of a Python project.
pub(crate) fn project(text: &str) -> Result<(), Fault> {
    let path = resolve(text, "directory")?;
    match (path.is_dir(), path.join("pyproject.toml").is_file()) {
        (true, true) => Ok(()),
        (true, false) => Err(Fault::new(format!(
            "there is no `pyproject.toml` in `{text}`"
        ))),
        (false, _) => {
            Err(Fault::new(format!("`{text}` is a file")).help("name the directory of the project"))
        }
    }
}

/// A path to what need not be there while compiling.
pub(crate) fn path(text: &str) -> Result<(), Fault> {
    match text.is_empty() {
        true => Err(Fault::new("a local path must not be empty")),
        false => no_nul("a local path", text),
    }
}

/// The path from the folder of the crate's `Cargo.toml`; something must be there.
pub(crate) fn resolve(text: &str, what: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() {
        return Err(Fault::new("a local path must not be empty"));
    }
    no_nul("a local path", text)?;
    let path = in_crate(text);
    match fs::metadata(&path) {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Ok(target) = fs::read_link(&path) {
                let target = target.display();
                let fault = format!("`{text}` is a link to `{target}`, which does not exist");
                return Err(Fault::new(fault));
            }
            Err(Fault::new(format!("there is no {what} `{text}`"))
                .help("local paths start from the folder of the crate's Cargo.toml")
                .maybe_help(similar(&path, text))
                .maybe_help(with_slashes(text)))
        }
        Err(error) => Err(Fault::new(format!("`{text}` cannot be read: {error}"))),
    }
}

/// A path as Windows writes it, in the way that is read everywhere.
fn with_slashes(text: &str) -> Option<String> {
    let slashes = text.replace('\\', "/");
    (slashes != text).then(|| format!("paths are written with `/`: `{slashes}`"))
}

/// Why a path leads to something else on another machine, if it does.
pub(crate) fn only_here(text: &str) -> Option<&'static str> {
    let folder = in_crate("");
    is_only_here(text, &folder, home(&folder))
}

fn is_only_here(text: &str, folder: &Path, home: &Path) -> Option<&'static str> {
    if Path::new(text).is_absolute() {
        return Some("is a path of this machine");
    }
    let leads_to = plain(&folder.join(text));
    (!leads_to.starts_with(home)).then_some("leads out of the repository")
}

/// What is on every machine that has a crate: its repository, else its workspace, else the folder of the crate.
fn home(folder: &Path) -> &Path {
    let is_workspace = |folder: &&Path| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml"));
        let mut tables = manifest.iter().flat_map(|text| text.lines());
        tables.any(|line| line.trim().starts_with("[workspace"))
    };
    let mut above = folder.ancestors();
    let repository = above.find(|folder| folder.join(".git").exists());
    let workspace = || folder.ancestors().filter(is_workspace).last();
    repository.or_else(workspace).unwrap_or(folder)
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// What lies beside the missing path under nearly its name.
fn similar(path: &Path, text: &str) -> Option<String> {
    let names: Vec<String> = fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let name = path.file_name()?.to_str()?;
    let found = nearest(name, names.iter().map(String::as_str))?;
    let start = text.strip_suffix(name)?;
    Some(format!("did you mean `{start}{found}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_start_from_the_crate_and_must_exist() {
        assert_eq!(copied_file("Cargo.toml"), Ok(()));
        assert_eq!(copied_file("./src/lib.rs"), Ok(()));
        assert_eq!(directory("src"), Ok(()));
        assert_eq!(directory("."), Ok(()));
    }

    #[test]
    fn each_kind_of_path_names_the_verb_of_the_other() {
        let checks: [(crate::keyword::TextCheck, _, _); 4] = [
            (copied_file, "src", "`copy_local_dir` takes it"),
            (added_file, "src", "`add_local_dir` takes it"),
            (copied_directory, "Cargo.toml", "`copy_local_file` takes it"),
            (added_directory, "Cargo.toml", "`add_local_file` takes it"),
        ];
        for (check, path, help) in checks {
            let text = check(path).unwrap_err().text();
            assert!(text.ends_with(&format!("help: {help}")), "{text}");
        }
        assert!(!directory("Cargo.toml").unwrap_err().text().contains("help"));
    }

    #[test]
    fn a_path_that_is_absolute_or_leaves_the_repository_is_of_this_machine() {
        let only_here =
            |text| is_only_here(text, Path::new("/src/app/crate"), Path::new("/src/app"));
        for text in [
            "models",
            ".",
            "..",
            "../other/x",
            "a/../../x",
            "../../app/x",
        ] {
            assert_eq!(only_here(text), None, "{text}");
        }
        for text in ["../..", "../../x", "../../application/x", "a/../../../x"] {
            assert_eq!(
                only_here(text),
                Some("leads out of the repository"),
                "{text}"
            );
        }
        for text in ["/src/app/crate/x", "/etc/hosts"] {
            assert_eq!(only_here(text), Some("is a path of this machine"), "{text}");
        }
    }

    #[test]
    fn a_repository_is_larger_than_a_workspace_and_that_than_a_crate() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (workspace, folder) = (root.join("a/b"), root.join("a/b/c/d"));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(home(&folder), folder);
        fs::write(workspace.join("Cargo.toml"), "[workspace]\n").unwrap();
        assert_eq!(home(&folder), workspace);
        fs::create_dir(root.join("a/.git")).unwrap();
        assert_eq!(home(&folder), root.join("a"));
    }

    #[test]
    fn what_is_no_file_and_no_directory_is_told_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (socket.to_str().unwrap(), "a socket"),
            ("/dev/null", "a device"),
        ] {
            let text = copied_file(path).unwrap_err().text();
            assert_eq!(text, format!("`{path}` is {what}, and no file"));
        }
    }

    #[test]
    fn a_link_to_nothing_is_told_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("gone", &link).unwrap();
        let link = link.to_str().unwrap();
        let text = copied_file(link).unwrap_err().text();
        assert_eq!(
            text,
            format!("`{link}` is a link to `gone`, which does not exist")
        );
        assert!(directory(link).is_err());
    }

    #[test]
    fn what_is_missing_is_said_with_the_nearest_name() {
        let text = copied_file("src/lib.r").unwrap_err().text();
        assert_eq!(
            text,
            "there is no file `src/lib.r`\nhelp: did you mean `src/lib.rs`?"
        );
        let text = copied_file("src\\lib.rs").unwrap_err().text();
        assert_eq!(
            text,
            "there is no file `src\\lib.rs`\nhelp: paths are written with `/`: `src/lib.rs`"
        );
        let text = directory("nowhere-at-all").unwrap_err().text();
        assert!(text.contains("Cargo.toml"), "{text}");
        assert!(copied_file("").is_err());
        assert!(copied_file("a\0").is_err());
    }
}
