//! The files of a base: every package unpacked, dpkg's database, and a few settings. Packages are decompressed on several threads and
//! handed on in order.

mod database;
mod merge;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};
use std::thread;

use super::deb::{self, Deb};
use super::mirror::Mirrors;
use super::{Resolved, path, settings};
use crate::base::download::Downloads;
use crate::engine::{Entry, EntryKind, FileSink, FileSource};
use database::Database;
use merge::Merge;

/// Packages that are in memory at once, for each thread.
const AHEAD: usize = 2;

/// The files of a base that is about to be unpacked.
#[derive(Debug)]
pub(super) struct Tree {
    suite: String,
    architecture: String,
    date: u64,
    mirrors: Mirrors,
    packages: Vec<Fetched>,
}

#[derive(Debug)]
struct Fetched {
    name: String,
    file: PathBuf,
}

/// A package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[error("the package `{package}` cannot be unpacked: {reason}")]
pub(super) struct UnpackError {
    pub(super) package: String,
    pub(super) reason: String,
}

impl From<UnpackError> for io::Error {
    fn from(error: UnpackError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl Tree {
    pub(super) fn new(resolved: &Resolved, mirrors: &Mirrors, downloads: &Downloads) -> Self {
        let mut packages: Vec<Fetched> = resolved
            .packages
            .iter()
            .map(|package| Fetched {
                name: package.name.clone(),
                file: downloads.path(&package.sha256),
            })
            .collect();
        // The first to name a directory says how it is: modes such as that of /tmp come with this package.
        packages.sort_by_key(|package| package.name != "base-files");
        Self {
            suite: resolved.suite.clone(),
            architecture: resolved.architecture.clone(),
            date: resolved.release_date,
            mirrors: mirrors.clone(),
            packages,
        }
    }
}

impl FileSource for Tree {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        let merged = path::merged(&self.architecture);
        let mut merge = Merge::new(sink, merged, self.date)?;
        let mut database = Database::default();
        in_order(&self.packages, read, |package, deb| {
            let deb = deb?;
            let conffiles = database.add(&package.name, &deb)?;
            add_files(&mut merge, &package.name, &deb, &conffiles)
        })?;
        for file in settings::files(&self.suite, &self.mirrors) {
            merge.generated(file.path, file.mode, file.text.as_bytes())?;
        }
        database.write(&self.architecture, &mut merge)
    }
}

fn read(package: &Fetched) -> Result<Deb, UnpackError> {
    std::fs::read(&package.file)
        .map_err(|error| format!("`{}`: {error}", package.file.display()))
        .and_then(|file| deb::read(&file))
        .map_err(|reason| UnpackError {
            package: package.name.clone(),
            reason,
        })
}

fn add_files(
    merge: &mut Merge<'_>,
    package: &str,
    deb: &Deb,
    conffiles: &HashSet<PathBuf>,
) -> io::Result<()> {
    for member in &deb.data.members {
        let mut path = member.path.clone();
        // As dpkg leaves it: it is given its name when the package is configured.
        if conffiles.contains(&path) {
            path.as_mut_os_string().push(".dpkg-new");
        }
        let entry = Entry {
            path,
            kind: member.kind.clone(),
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            mtime: member.mtime,
        };
        merge.add(package, entry, deb.data.of(member))?;
    }
    Ok(())
}

/// Does work on several threads and hands its results on in order, never many at a time.
fn in_order<I: Sync, O: Send>(
    items: &[I],
    work: impl Fn(&I) -> O + Sync,
    mut take: impl FnMut(&I, O) -> io::Result<()>,
) -> io::Result<()> {
    let threads = thread::available_parallelism()
        .map_or(2, usize::from)
        .min(8);
    let (jobs, queue) = mpsc::channel::<(&I, mpsc::Sender<O>)>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        // Moved in, so that the threads end when this closure does, however it does.
        let jobs = jobs;
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = queue
                        .lock()
                        .expect("nothing panics while it holds the queue")
                        .recv();
                    let Ok((item, answer)) = job else { break };
                    // Nobody hears the answer after an error.
                    let _ = answer.send(work(item));
                }
            });
        }
        let mut waiting = items.iter();
        let mut begun = VecDeque::new();
        loop {
            for item in waiting.by_ref().take(threads * AHEAD - begun.len()) {
                let (answer, result) = mpsc::channel();
                jobs.send((item, answer))
                    .expect("the queue lives as long as the scope");
                begun.push_back((item, result));
            }
            let Some((item, result)) = begun.pop_front() else {
                return Ok(());
            };
            take(item, result.recv().expect("every job is answered"))?;
        }
    })
}

/// An entry that this program makes up.
fn generated(path: PathBuf, kind: EntryKind, mode: u32, mtime: u64) -> Entry {
    Entry {
        path,
        kind,
        mode,
        uid: 0,
        gid: 0,
        mtime,
    }
}
