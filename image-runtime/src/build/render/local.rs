//! Local files: which of them a Dockerfile names, and from where.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::Prepared;
use super::config::owner;
use super::words::{source as source_word, words};
use super::{Writer, owned};
use crate::context::{Node, NodeKind, Tree};
use crate::plan::{Action, Config};

/// Makes a link to its first argument, in place of what may be there.
const LINK: &str = "mkdir -p \"${2%/*}/\" && ln -sfn \"$1\" \"$2\"";

impl Writer {
    /// A tree: whole where nothing of it is ignored, else in as many pieces as that takes. What copies it, and whom it belongs to, come
    /// first.
    pub(super) fn copy_tree(
        &mut self,
        (verb, of): (&str, &str),
        tree: &Tree,
        target: &str,
        now: &mut Config,
    ) {
        let root = tree.root();
        let pieces = match root.is_dir() {
            true => Taken::of(tree).pieces(target.trim_end_matches('/')),
            false => {
                // A file may have been named by a link, whose name it has then.
                let is_other = |node: &&Node| {
                    target.ends_with('/') && node.path.file_name() != root.file_name()
                };
                let named = tree.nodes().first().filter(is_other);
                let name = named.map(|node| node.path.display().to_string());
                let target = format!("{target}{}", name.unwrap_or_default());
                Pieces {
                    copied: vec![(root.to_owned(), target)],
                    ..Pieces::default()
                }
            }
        };
        // Of one that is not copied whole, nobody is told whom it belongs to.
        if !of.is_empty() {
            for directory in pieces.directories {
                self.directory(now, &directory, of);
            }
        }
        let verb = owned(verb, of);
        for (source, target) in pieces.copied {
            let source = source.strip_prefix(&self.context).unwrap_or(&source);
            let source = match source.to_string_lossy() {
                empty if empty.is_empty() => ".".to_owned(),
                text => source_word(&text),
            };
            let _ = writeln!(self.text, "{verb} {}", words(&[source, target]));
        }
        // `COPY` of a link itself copies what it points to.
        if !pieces.links.is_empty() {
            self.user(now, "");
        }
        for (to, path) in pieces.links {
            let to = to.to_string_lossy();
            self.command(&["sh", "-c", LINK, "sh", &to, &path]);
            if !of.is_empty() {
                self.command(&["chown", "-h", &owner(of), &path]);
            }
        }
    }
}

/// What a directory is copied as.
#[derive(Default)]
struct Pieces {
    /// Files, and directories of which all is taken: from where, and to where.
    copied: Vec<(PathBuf, String)>,
    /// Links: where they lead, and where they are.
    links: Vec<(PathBuf, String)>,
    /// Directories of which not all is taken.
    directories: Vec<String>,
}

/// The files that are taken of a directory.
struct Taken<'a> {
    root: &'a Path,
    /// What lies in each directory.
    entries: HashMap<&'a Path, Vec<&'a Node>>,
    /// Directories of which all is taken.
    whole: HashSet<PathBuf>,
}

impl<'a> Taken<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut entries: HashMap<_, Vec<_>> = HashMap::new();
        let mut kinds = HashMap::new();
        for node in tree.nodes() {
            let parent = node.path.parent().unwrap_or(Path::new(""));
            entries.entry(parent).or_default().push(node);
            kinds.insert(node.path.as_path(), &node.kind);
        }
        let mut whole = HashSet::new();
        find_whole(&kinds, tree.root(), PathBuf::new(), &mut whole);
        Self {
            root: tree.root(),
            entries,
            whole,
        }
    }

    /// The largest directories that are taken whole, and the files and the links beside them.
    fn pieces(&self, target: &str) -> Pieces {
        let mut all = Pieces::default();
        self.put_pieces(Path::new(""), target, &mut all);
        all
    }

    fn put_pieces(&self, below: &Path, target: &str, all: &mut Pieces) {
        let to = |path: &Path| format!("{target}/{}", path.display());
        if self.whole.contains(below) {
            all.copied.push((self.root.join(below), to(below)));
            return;
        }
        all.directories
            .push(to(below).trim_end_matches('/').to_owned());
        for node in self.entries.get(below).into_iter().flatten() {
            match &node.kind {
                NodeKind::Directory => self.put_pieces(&node.path, target, all),
                NodeKind::Symlink { target } => {
                    all.links.push((target.clone(), to(&node.path)));
                }
                NodeKind::File { .. } => {
                    all.copied
                        .push((self.root.join(&node.path), to(&node.path)));
                }
            }
        }
    }
}

/// Finds the directories below one, and this itself, of which all is taken; answers whether it is.
fn find_whole(
    taken: &HashMap<&Path, &NodeKind>,
    directory: &Path,
    below: PathBuf,
    whole: &mut HashSet<PathBuf>,
) -> bool {
    let mut is_whole = true;
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = below.join(entry.file_name());
        is_whole &= match taken.get(path.as_path()) {
            Some(NodeKind::Directory) => find_whole(taken, &entry.path(), path, whole),
            Some(_) => true,
            None => false,
        };
    }
    if is_whole {
        whole.insert(below);
    }
    is_whole
}

impl Prepared {
    /// Where local files lie.
    pub(super) fn local_roots(&self, roots: &mut Vec<PathBuf>) {
        for layer in &self.plan.layers {
            match layer.action {
                Action::CopyFiles { step, .. } => {
                    roots.extend(self.trees.get(&step).map(|tree| tree.root().to_owned()));
                }
                Action::Copy { step, .. } | Action::Run { step, .. } => {
                    roots.extend(self.taken(step).map(|tree| tree.root().to_owned()));
                    for other in self.others(step) {
                        other.local_roots(roots);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The directory that holds all of some paths.
pub(super) fn common(paths: &[PathBuf]) -> PathBuf {
    let directory = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let mut all = paths.iter().map(directory);
    let mut common = all.next().unwrap_or_default();
    for path in all {
        while !path.starts_with(&common) {
            common.pop();
        }
    }
    common
}
