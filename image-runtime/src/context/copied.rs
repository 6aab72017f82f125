//! What `COPY` takes out of a context directory: the files that a Dockerfile's paths and patterns name, less what is ignored.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::ignore::{Ignore, NamePattern, Verdict};
use super::tree::{Tree, real_path};
use super::{ContextError, walk};
use crate::digest::{Digest, Encoder};
use crate::store::Store;

/// The first field of what identifies copied files. Another encoding gets another tag.
const TAG: &str = "image-runtime copied files 1";

/// A context directory.
#[derive(Debug)]
pub struct Context {
    root: PathBuf,
    ignore: Ignore,
}

/// What one path or one match of a pattern names.
#[derive(Clone, Debug)]
pub struct Taken {
    /// A file, or the content of a directory.
    pub tree: Tree,
    /// The file's name; nothing for a directory.
    pub name: Option<String>,
}

impl Context {
    /// The directory. `<Dockerfile>.dockerignore` says what is ignored; without it, the `.dockerignore` in the directory.
    ///
    /// # Errors
    /// The directory is missing, or a pattern is malformed.
    pub fn open(directory: &Path, dockerfile: Option<&Path>) -> Result<Self, ContextError> {
        let root = real_path(directory)?;
        if !root.is_dir() {
            return Err(ContextError::NoContext {
                path: directory.to_owned(),
            });
        }
        let own = dockerfile.map(|file| {
            let mut name = file.as_os_str().to_owned();
            name.push(".dockerignore");
            PathBuf::from(name)
        });
        let ignore = match own.filter(|file| file.exists()) {
            Some(file) => Ignore::of_file(&file)?,
            None => Ignore::of_directory(&root, &[])?,
        };
        Ok(Self { root, ignore })
    }

    /// Takes what paths and patterns name, in their order; of a pattern, in the order of the names.
    ///
    /// # Errors
    /// A path that is not there or is ignored, a pattern that matches nothing, or files that cannot be read.
    pub fn take(&self, store: &Store, sources: &[String]) -> Result<Vec<Taken>, ContextError> {
        let mut taken = Vec::new();
        for source in sources {
            let before = taken.len();
            for path in matches(&self.root, source)? {
                taken.extend(self.take_one(store, &path)?);
            }
            if taken.len() == before {
                return Err(ContextError::NotInContext {
                    path: source.clone(),
                    context: self.root.clone(),
                });
            }
        }
        Ok(taken)
    }

    fn take_one(&self, store: &Store, path: &Path) -> Result<Option<Taken>, ContextError> {
        let local = self.root.join(path);
        // Nobody copies what lies outside by a link.
        let real = match fs::canonicalize(&local) {
            Ok(real) => real,
            Err(_) => return Ok(None),
        };
        if !real.starts_with(&self.root) {
            return Err(ContextError::OutsideContext { path: local });
        }
        let verdict = self.verdict(path);
        if real.is_dir() {
            let shown = path.to_string_lossy();
            if verdict.ignored && !self.ignore.may_hold_exception(&shown) {
                return Ok(None);
            }
            let found = walk::walk_below(&self.root, path, verdict, &self.ignore)?;
            let tree = Tree::of_found(store, real, found)?;
            return Ok(Some(Taken { tree, name: None }));
        }
        if verdict.ignored {
            return Ok(None);
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Ok(Some(Taken {
            tree: Tree::file(store, &local)?,
            name,
        }))
    }

    /// Whether a path is ignored: what is said of the directories above it counts.
    fn verdict(&self, path: &Path) -> Verdict {
        let mut verdict = Verdict::default();
        let mut above: Vec<_> = path.ancestors().collect();
        // The last one is the context directory.
        above.pop();
        for path in above.into_iter().rev() {
            verdict = self.ignore.judge(&path.to_string_lossy(), &verdict);
        }
        verdict
    }
}

/// The paths that a path or a pattern names, from a directory; nothing can leave that. They need not exist.
pub(crate) fn matches(root: &Path, source: &str) -> Result<Vec<PathBuf>, ContextError> {
    let mut paths = vec![PathBuf::new()];
    for component in Path::new(source).components() {
        let name = match component {
            Component::Normal(name) => name.to_string_lossy(),
            Component::ParentDir => {
                for path in &mut paths {
                    path.pop();
                }
                continue;
            }
            _ => continue,
        };
        if !name.contains(['*', '?', '[', '\\']) {
            for path in &mut paths {
                path.push(&*name);
            }
            continue;
        }
        let pattern = NamePattern::parse(&name).map_err(ContextError::CopyPattern)?;
        paths = paths
            .iter()
            .flat_map(|path| matching(root, path, &pattern))
            .collect();
    }
    Ok(paths)
}

/// What a directory holds that a pattern matches.
fn matching(root: &Path, directory: &Path, pattern: &NamePattern) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(directory)).into_iter().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| pattern.matches(&name.to_string_lossy()))
        .collect();
    names.sort_unstable();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// What identifies all that was taken.
pub fn digest(taken: &[Taken]) -> Digest {
    let mut encoder = Encoder::new(TAG);
    encoder.number(taken.len() as u64);
    for one in taken {
        let kind = if one.name.is_some() {
            "file"
        } else {
            "directory"
        };
        encoder.text(kind).digest(one.tree.digest());
    }
    encoder.finish()
}
