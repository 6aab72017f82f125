//! Layers in the store: a directory each, with the files that it adds and a record of what it is. A layer comes into being by
//! one rename, after all of it is on the disk.
//!
//! ```text
//! layers/<id>/fs, record.json    whole layers; <id> is short, because the kernel takes one page of paths
//! drafts/<run>/                  layers that are being made
//! retired/<run>/                 layers on their way out: containers may still stand on them
//! containers/<run>/              what runs: upper, work, and a lease that names its layers
//! caches/<name>/                 directories that build steps keep; volumes lie elsewhere (`volumes.rs`)
//! root/                          where each container mounts its root, in its own view of mounts
//! skeleton/                      below every layer: the mount points that an image may lack
//! lock                           shared by those that take a lease, exclusive for who removes
//! ```

mod verify;
mod volumes;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use self::volumes::volume_line;
use super::form::Form;
use super::overlay::Overlay;
use super::users::Users;
use crate::digest::LayerId;
use crate::engine::{LayerInfo, Mount, NewLayer};
use crate::store::{RunDir, Store, StoreError};

/// The files that a layer adds.
pub(super) const FILES: &str = "fs";
const RECORD: &str = "record.json";
/// What becomes of the record of a layer that was found damaged: without a record it does not exist.
const DAMAGED: &str = "damaged.json";
/// Bytes of the files, once somebody asked.
const SIZE: &str = "size";
/// Which layers a container stands on, and which caches it uses.
const LEASE: &str = "lease";
/// More layers than Linux stacks: records that name each other in a circle end here.
const HIGHEST: usize = 1000;
/// Digits of an identity in the name of its directory.
const SHORT: usize = 16;

const FOLDERS: [&str; 7] = [
    "layers",
    "drafts",
    "retired",
    "containers",
    "caches",
    "root",
    "skeleton",
];

/// Mount points that an image may lack.
const POINTS: [&str; 4] = ["dev", "etc", "proc", "sys"];
const POINT_FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// The layers of a store.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    root: PathBuf,
    /// Where volumes are, by name: with the user's data, since this folder may be deleted.
    volumes: PathBuf,
    form: Form,
    /// Of [`Form::Range`].
    users: Option<Arc<Users>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: LayerId,
    parent: Option<LayerId>,
    title: String,
    created: SystemTime,
    /// When the parent was made that it stands on: it fits no other.
    #[serde(default)]
    parent_created: Option<SystemTime>,
}

/// A layer and all below it, topmost first.
pub(super) type Stack = Vec<LayerId>;

impl Layers {
    /// Those of a store; the folders are made where they are missing. `users` are those of [`Form::Range`].
    pub(super) fn open(
        store: &Store,
        form: Form,
        users: Option<Arc<Users>>,
    ) -> Result<Self, StoreError> {
        let layers = Self::at(store, form, users);
        let root = &layers.root;
        let made = FOLDERS
            .into_iter()
            .map(str::to_owned)
            .chain(POINTS.map(|point| format!("skeleton/{point}")))
            .try_for_each(|folder| fs::create_dir_all(root.join(folder)))
            .and_then(|()| {
                POINT_FILES.into_iter().try_for_each(|file| {
                    let path = root.join("skeleton").join(file);
                    File::options()
                        .create(true)
                        .append(true)
                        .open(path)
                        .map(drop)
                })
            });
        made.map_err(|source| StoreError::io("make the layers' folders in", root, source))?;
        Ok(layers)
    }

    /// Those that a store has, of every form. Nothing is made.
    pub(super) fn existing(store: &Store) -> impl Iterator<Item = Self> {
        let of = |form| Self::at(store, form, None);
        let users = Users::find().ok().map(Arc::new);
        let range = users.map(|users| Self::at(store, Form::Range, Some(users)));
        let all = [Form::Root, Form::User].map(of).into_iter().chain(range);
        all.filter(|layers| layers.root.is_dir())
    }

    /// Layers of one form would have wrong owners in another.
    fn at(store: &Store, form: Form, users: Option<Arc<Users>>) -> Self {
        let folder = match &users {
            None if form == Form::Root => "embedded".to_owned(),
            None => "embedded-user".to_owned(),
            Some(users) => format!("embedded-range-{}", users.key()),
        };
        Self {
            volumes: store.data().join("volumes").join(&folder),
            root: store.path().join(folder),
            form,
            users,
        }
    }

    /// Does something that blocks as who owns the files of layers.
    ///
    /// # Errors
    /// What it fails with, or that it cannot be done as those.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let users = self.users.clone();
        super::on_thread(move || inside(users.as_deref(), work)?).await
    }

    /// The user namespace of all containers, where they have one in common.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn namespace(&self) -> io::Result<Option<BorrowedFd<'static>>> {
        let users = self.users.as_deref();
        users.map(Users::namespace).transpose()
    }

    /// The users of containers, where they are those of a range.
    pub(super) fn users(&self) -> Option<&Users> {
        self.users.as_deref()
    }

    /// As whom they are made and used.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Where they are.
    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    fn directory(&self, layer: &LayerId) -> PathBuf {
        self.root.join("layers").join(short(layer))
    }

    /// The files that a layer adds.
    pub(super) fn files(&self, layer: &LayerId) -> PathBuf {
        self.directory(layer).join(FILES)
    }

    fn record(&self, layer: &LayerId) -> Option<Record> {
        read_record(&self.directory(layer)).filter(|record| record.id == *layer)
    }

    /// Whether a layer can be used: it and all below it are there, and fit together.
    pub(super) fn has(&self, layer: &LayerId) -> bool {
        self.stack(layer).is_ok()
    }

    /// The directory of a layer, open: it stays the same one if the layer is replaced. And its title.
    pub(super) fn open_layer(&self, layer: &LayerId) -> io::Result<(File, String)> {
        let directory = File::open(self.directory(layer))?;
        let record = self.record(layer).ok_or(ErrorKind::NotFound)?;
        Ok((directory, record.title))
    }

    /// Bytes of the files of a layer.
    pub(super) fn size(&self, layer: &LayerId) -> u64 {
        size_of(&self.directory(layer))
    }

    /// A layer and all below it.
    ///
    /// # Errors
    /// One of them does not exist, or was made anew after the one above it was.
    pub(super) fn stack(&self, top: &LayerId) -> io::Result<Stack> {
        let mut stack = Vec::new();
        let mut next = Some((*top, None));
        while let Some((layer, created)) = next {
            let lacking = |what| {
                let text = format!("layer {} {what}", layer.short());
                io::Error::new(ErrorKind::NotFound, text)
            };
            let record = self
                .record(&layer)
                .ok_or_else(|| lacking("does not exist"))?;
            if !self.files(&layer).exists() {
                return Err(lacking("has lost its files"));
            }
            if created.is_some_and(|created| created != record.created) {
                return Err(lacking(
                    "was made anew after the one above it\n  help: try again: another program makes the same image at this time",
                ));
            }
            if stack.len() == HIGHEST {
                return Err(lacking("stands on too many others"));
            }
            stack.push(layer);
            next = record.parent.map(|parent| (parent, record.parent_created));
        }
        Ok(stack)
    }

    /// How a stack is mounted with a place to write.
    pub(super) fn overlay(
        &self,
        stack: &[LayerId],
        scratch: &Scratch,
        volatile: bool,
    ) -> io::Result<Overlay> {
        let layers = stack
            .iter()
            .map(|layer| format!("{}/{FILES}", short(layer)))
            .chain(["../skeleton".to_owned()]);
        let scratch = format!("../{}/{}", scratch.kind, scratch.id());
        let directory = self.root.join("layers");
        Overlay::new(&directory, layers, &scratch, self.form, volatile)
    }

    fn scratch(&self, kind: &'static str) -> Result<Scratch, StoreError> {
        Ok(Scratch {
            run: Some(RunDir::create(&self.root.join(kind))?),
            kind,
            stands_on: None,
            users: self.users.clone(),
        })
    }

    /// A place where a layer is made.
    pub(super) fn draft(&self) -> Result<Scratch, StoreError> {
        self.scratch("drafts")
    }

    /// The same with an empty directory to write into.
    pub(super) fn empty_draft(&self) -> io::Result<Scratch> {
        let scratch = self.draft().map_err(io::Error::other)?;
        fs::create_dir(scratch.upper())?;
        fs::set_permissions(scratch.upper(), fs::Permissions::from_mode(0o755))?;
        // Nothing says what time its root has, and it has to be the same everywhere.
        File::open(scratch.upper())?.set_modified(SystemTime::UNIX_EPOCH)?;
        Ok(scratch)
    }

    /// Makes the directories of an overlay over a stack. Its root has the time, mode and owner that the stack's has.
    pub(super) fn prepare(&self, scratch: &Scratch, below: &Path) -> io::Result<()> {
        for name in ["upper", "work"] {
            fs::create_dir(scratch.path().join(name))?;
        }
        let root = fs::metadata(below)?;
        if self.form.has_users() {
            chown(scratch.upper(), Some(root.uid()), Some(root.gid()))?;
        }
        File::open(scratch.upper())?.set_modified(root.modified()?)?;
        let mode = fs::Permissions::from_mode(root.mode() & 0o7777);
        fs::set_permissions(scratch.upper(), mode)
    }

    /// A place for a container that stands on a stack. As long as it is there, none of its layers is removed.
    ///
    /// # Errors
    /// A layer does not exist, or the place cannot be made.
    pub(super) fn lease(&self, stack: &[LayerId], mounts: &[Mount]) -> io::Result<Scratch> {
        let mut scratch = self.scratch("containers").map_err(io::Error::other)?;
        let lease: String = stack
            .iter()
            .map(|layer| format!("{layer}\n"))
            .chain(mounts.iter().filter_map(|mount| match mount {
                Mount::Local { .. } => None,
                Mount::Cache { name, .. } => Some(format!("{}\n", cache_line(name))),
                Mount::Volume { name, .. } => Some(format!("{}\n", volume_line(name))),
            }))
            .collect();
        let _lock = self.lock(false)?;
        for mount in mounts {
            match mount {
                Mount::Local { .. } => {}
                Mount::Cache { name, .. } => fs::create_dir_all(self.cache(name))?,
                Mount::Volume { name, .. } => self.make_volume(name)?,
            }
        }
        fs::write(scratch.path().join(LEASE), lease)?;
        for layer in stack {
            if !self.directory(layer).join(RECORD).exists() {
                return Err(io::Error::other(format!(
                    "layer {} was removed meanwhile",
                    layer.short()
                )));
            }
        }
        scratch.stands_on = stack.first().and_then(|top| self.created(top));
        Ok(scratch)
    }

    /// When it was made.
    pub(super) fn created(&self, layer: &LayerId) -> Option<SystemTime> {
        self.record(layer).map(|record| record.created)
    }

    /// The directory of a cache.
    pub(super) fn cache(&self, name: &str) -> PathBuf {
        self.root.join("caches").join(name)
    }

    /// Makes a layer of the files in a scratch place. One with this identity is replaced.
    ///
    /// # Errors
    /// What the file system says; the layer is then not there, or still the old one.
    pub(super) fn publish(&self, scratch: &Scratch, new: &NewLayer) -> io::Result<()> {
        let ready = self.draft().map_err(io::Error::other)?;
        let draft = ready.path().join("layer");
        fs::create_dir(&draft)?;
        move_directory(&scratch.upper(), &draft.join(FILES))?;
        let record = Record {
            id: new.id,
            parent: new.parent,
            title: new.title.clone(),
            created: SystemTime::now(),
            parent_created: new.parent.and_then(|parent| {
                let stood_on = scratch.stands_on;
                stood_on.or_else(|| self.created(&parent))
            }),
        };
        fs::write(draft.join(RECORD), serde_json::to_vec_pretty(&record)?)?;
        // Once for all of the files: those who wrote them need not have done so.
        rustix::fs::syncfs(File::open(&draft)?)?;
        let place = self.directory(&new.id);
        let _lock = self.lock(true)?;
        if place.exists() {
            // Containers that stand on the old one keep it until they end, since it only moves out of sight.
            let old = self.retired()?;
            exchange(&draft, &place, old.path())?;
            if self.leased()?.contains(&new.id.to_string()) {
                old.keep_for_sweep();
            }
        } else {
            fs::rename(&draft, &place)?;
        }
        File::open(self.root.join("layers"))?.sync_all()
    }

    fn retired(&self) -> io::Result<Scratch> {
        self.scratch("retired").map_err(io::Error::other)
    }

    /// Takes a layer out of sight.
    fn retire(&self, place: &Path) -> io::Result<Scratch> {
        let retired = self.retired()?;
        move_directory(place, &retired.path().join("layer"))?;
        Ok(retired)
    }

    /// Removes a layer; answers whether it could, which it cannot while it is in use.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn remove(&self, layer: &LayerId) -> io::Result<bool> {
        let lock = self.lock(true)?;
        let place = self.directory(layer);
        if !place.exists() {
            return Ok(true);
        }
        let is_below = self
            .records()?
            .any(|(record, _)| record.parent == Some(*layer));
        if is_below || self.leased()?.contains(&layer.to_string()) {
            return Ok(false);
        }
        let retired = self.retire(&place)?;
        // Nobody need wait until its files are gone.
        drop(lock);
        drop(retired);
        Ok(true)
    }

    /// Removes the caches that no container uses; answers how many.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn remove_caches(&self) -> io::Result<usize> {
        let _lock = self.lock(true)?;
        let leased = self.leased()?;
        let mut removed = 0;
        for entry in fs::read_dir(self.root.join("caches"))? {
            let entry = entry?;
            if !leased.contains(&cache_line(&entry.file_name().to_string_lossy())) {
                drop(self.retire(&entry.path())?);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// All layers, in no order.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn list(&self) -> io::Result<Vec<LayerInfo>> {
        let records: Vec<_> = self.records()?.collect();
        let own: std::collections::HashMap<_, _> = records
            .iter()
            .map(|(record, place)| (record.id, (size_of(place), record.parent)))
            .collect();
        let whole = |layer: LayerId| {
            let below = |id: &LayerId| own.get(id).and_then(|(_, parent)| *parent);
            std::iter::successors(Some(layer), below)
                .take(HIGHEST)
                .filter_map(|id| own.get(&id))
                .map(|(size, _)| size)
                .sum()
        };
        Ok(records
            .iter()
            .map(|(record, _)| LayerInfo {
                id: record.id,
                parent: record.parent,
                title: record.title.clone(),
                created: record.created,
                size: whole(record.id),
            })
            .collect())
    }

    fn records(&self) -> io::Result<impl Iterator<Item = (Record, PathBuf)> + use<>> {
        let entries = fs::read_dir(self.root.join("layers"))?;
        Ok(entries.flatten().filter_map(|entry| {
            let place = entry.path();
            // Those that were found damaged are not used, but removed like others.
            let record = read_record(&place).or_else(|| read_damaged(&place))?;
            Some((record, place))
        }))
    }

    /// What containers use: the lines of all leases. Those of containers whose owners died count until they are swept.
    fn leased(&self) -> io::Result<HashSet<String>> {
        let mut leased = HashSet::new();
        for entry in fs::read_dir(self.root.join("containers"))?.flatten() {
            if let Ok(lease) = fs::read_to_string(entry.path().join(LEASE)) {
                leased.extend(lease.lines().map(str::to_owned));
            }
        }
        Ok(leased)
    }

    fn lock(&self, exclusive: bool) -> io::Result<File> {
        let lock = File::options()
            .create(true)
            .append(true)
            .open(self.root.join("lock"))?;
        if exclusive {
            lock.lock()?;
        } else {
            lock.lock_shared()?;
        }
        Ok(lock)
    }

    /// Removes what dead programs left; answers how many containers that were.
    pub(super) fn sweep(&self) -> usize {
        // Most often there is nothing to do, and it takes a while to become who may do it.
        if self.users.is_some() && self.is_clean() {
            return 0;
        }
        // What cannot be removed now is swept later.
        inside(self.users.as_deref(), || self.sweep_inside()).unwrap_or_default()
    }

    /// Whether nobody has anything here but layers.
    fn is_clean(&self) -> bool {
        let entries = |folder| fs::read_dir(self.root.join(folder)).into_iter().flatten();
        let mut layers = entries("layers").flatten();
        let mut places = ["containers", "drafts", "retired"].into_iter();
        places.all(|folder| entries(folder).next().is_none())
            && !layers.any(|layer| is_wreck(&layer.path()))
    }

    fn sweep_inside(&self) -> usize {
        let containers = crate::store::sweep_runs(&self.root.join("containers"));
        crate::store::sweep_runs(&self.root.join("drafts"));
        // What is here is to go, and is not missed by those who run if it stays.
        let _ = self.sweep_retired();
        let _ = self.sweep_wrecks();
        containers
    }

    /// Layers that were replaced stay as long as anything runs: it may stand on them.
    fn sweep_retired(&self) -> io::Result<()> {
        let retired = self.root.join("retired");
        if fs::read_dir(&retired)?.next().is_some() {
            let _lock = self.lock(true)?;
            if self.leased()?.is_empty() {
                crate::store::sweep_runs(&retired);
            }
        }
        Ok(())
    }

    /// Removes directories of layers that say no more whose they are: a layer is made anew beside nothing.
    fn sweep_wrecks(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("layers"))?.flatten() {
            let place = entry.path();
            if !is_wreck(&place) {
                continue;
            }
            let _lock = self.lock(true)?;
            let name = entry.file_name();
            let in_use = |lease: &String| lease.starts_with(&*name.to_string_lossy());
            if is_wreck(&place) && !self.leased()?.iter().any(in_use) {
                drop(self.retire(&place)?);
            }
        }
        Ok(())
    }

    /// Reads a small file of a stack as a container would see it, links inside the image followed.
    pub(super) fn read(&self, stack: &[LayerId], path: &str) -> Option<String> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        stack.iter().find_map(|layer| {
            let root = File::open(self.files(layer)).ok()?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            let file = File::from(openat2(root, path, flags, Mode::empty(), inside).ok()?);
            file.metadata()
                .ok()?
                .is_file()
                .then(|| io::read_to_string(file).ok())?
        })
    }
}

/// A place in the store for what lives no longer than this program: it holds `upper` and `work` of an overlay.
#[derive(Debug)]
pub(super) struct Scratch {
    /// There until this goes.
    run: Option<RunDir>,
    kind: &'static str,
    /// When the topmost layer below it was made.
    stands_on: Option<SystemTime>,
    /// Who owns what lies in it.
    users: Option<Arc<Users>>,
}

impl Scratch {
    fn run(&self) -> &RunDir {
        self.run.as_ref().expect("it is taken when this goes")
    }

    /// What is written over the layers.
    pub(super) fn upper(&self) -> PathBuf {
        self.path().join("upper")
    }

    pub(super) fn path(&self) -> &Path {
        self.run().path()
    }

    /// Eight hexadecimal digits.
    pub(super) fn id(&self) -> &str {
        self.run().id()
    }

    /// Leaves it to a later sweep.
    fn keep_for_sweep(mut self) {
        if let Some(run) = self.run.take() {
            run.leave();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        if let Some(run) = self.run.take() {
            let _ = inside(self.users.as_deref(), || drop(run));
        }
    }
}

/// Does something as those users, where there are any.
fn inside<T>(users: Option<&Users>, work: impl FnOnce() -> T) -> io::Result<T> {
    match users {
        Some(users) => users.run(work),
        None => Ok(work()),
    }
}

/// Puts a new layer into the place of an old one, which goes to a folder. At every instant one of them is in the place.
fn exchange(new: &Path, place: &Path, retired: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let beside = retired.join("layer");
    fs::rename(new, &beside)?;
    match renameat_with(CWD, &beside, CWD, place, RenameFlags::EXCHANGE) {
        // Not every file system can exchange.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::rename(place, retired.join("old"))?;
            fs::rename(&beside, place)
        }
        exchanged => Ok(exchanged?),
    }
}

/// Whether the directory of a layer holds no record, though it can be read.
fn is_wreck(place: &Path) -> bool {
    match fs::read(place.join(RECORD)) {
        _ if read_damaged(place).is_some() => false,
        Ok(bytes) => serde_json::from_slice::<Record>(&bytes).is_err(),
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Renames a directory. That takes the right to write in it, which its mode may not give an ordinary user.
fn move_directory(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        moved => return moved,
    }
    let mode = fs::symlink_metadata(from)?.permissions();
    fs::set_permissions(from, fs::Permissions::from_mode(0o700))?;
    fs::rename(from, to)?;
    fs::set_permissions(to, mode)
}

fn cache_line(name: &str) -> String {
    format!("cache {name}")
}

fn short(layer: &LayerId) -> String {
    let mut name = layer.to_string();
    name.truncate(SHORT);
    name
}

fn read_record(place: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place.join(RECORD)).ok()?).ok()
}

/// The record of a layer that was found damaged.
fn read_damaged(place: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(place.join(DAMAGED)).ok()?).ok()
}

/// Bytes of a layer's own files, counted once.
fn size_of(place: &Path) -> u64 {
    let noted = place.join(SIZE);
    if let Some(size) = fs::read_to_string(&noted)
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return size;
    }
    let size = bytes_in(&place.join(FILES));
    // Counted again the next time where it cannot be kept.
    let _ = fs::write(noted, size.to_string());
    size
}

fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
