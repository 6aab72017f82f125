//! Layers in the store: a directory each, with the files that it adds and a record of what it is. A layer comes into being by
//! one rename, after all of it is on the disk.
//!
//! ```text
//! layers/<id>/fs, record.json    whole layers; <id> is short, because the kernel takes one page of paths
//! drafts/<run>/                  layers that are being made
//! retired/<run>/                 layers on their way out: containers may still stand on them
//! containers/<run>/              what runs: upper, work, and a lease that names its layers; or, with the lease lapsed, what the next will run in
//! caches/<name>/                 directories that build steps keep (`caches.rs`); volumes lie elsewhere (`volumes.rs`)
//! root/                          where each container mounts its root, in its own view of mounts
//! skeleton/                      below every layer: the mount points that an image may lack
//! lock                           shared by those that take a lease, exclusive for who removes
//! ```

mod caches;
mod mounted;
mod publish;
mod record;
mod scratch;
mod spare;
mod sweep;
mod verify;
mod volumes;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::record::FILES;
pub(super) use self::scratch::Scratch;
use self::spare::Spares;
use super::form::Form;
use super::overlay::Overlay;
use super::users::{Users, as_root};
use crate::digest::LayerId;
use crate::engine::on_thread;
use crate::store::{Store, StoreError, read_small, regular};

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
    spares: Spares,
}

impl Layers {
    /// Those of a store; the folders are made where they are missing. `users` are those of [`Form::Range`].
    pub(super) fn open(
        store: &Store,
        form: Form,
        users: Option<Arc<Users>>,
    ) -> Result<Self, StoreError> {
        let layers = Self::at(store, form, users);
        let root = &layers.root;
        let made = make_private(root).and_then(|()| make_folders(root));
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
            spares: Spares::default(),
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
        on_thread(move || inside(users.as_deref(), work)?).await
    }

    /// The same for what has to read all of them, whatever their modes say.
    ///
    /// # Errors
    /// See [`Self::on_thread`].
    pub(super) async fn on_thread_as_root<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self.form {
            Form::Root | Form::Range => self.on_thread(work).await,
            Form::User => on_thread(move || as_root(work)?).await,
        }
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

    /// How what a place stands on is mounted with that to write into.
    fn overlay(&self, scratch: &Scratch, volatile: bool) -> io::Result<Overlay> {
        let layers = scratch
            .layers()
            .map(|layer| format!("{}/{FILES}", short(layer)))
            .chain(["../skeleton".to_owned()]);
        let scratch = format!("../{}/{}", scratch.kind, scratch.folder());
        let directory = self.root.join("layers");
        Overlay::new(&directory, layers, &scratch, self.form, volatile)
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

    /// Reads a small file of what a place stands on as a container would see it, links inside the image followed.
    pub(super) fn read(&self, scratch: &Scratch, path: &str) -> Option<String> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        let found = scratch.layers().find_map(|layer| {
            let root = File::open(self.files(layer)).ok()?;
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            openat2(root, path, flags, Mode::empty(), inside).ok()
        });
        // What hides a file is none.
        let bytes = read_small(regular(found?).ok()?).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// Does something as those users, where there are any.
fn inside<T>(users: Option<&Users>, work: impl FnOnce() -> T) -> io::Result<T> {
    match users {
        Some(users) => users.run(work),
        None => Ok(work()),
    }
}

/// Makes a folder that nobody else may enter. Images bring set-uid programs and make device files, and those would be this machine's for
/// whoever reaches them.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    match fs::metadata(folder)?.permissions().mode() & 0o777 {
        0o700 => Ok(()),
        _ => fs::set_permissions(folder, fs::Permissions::from_mode(0o700)),
    }
}

fn make_folders(root: &Path) -> io::Result<()> {
    let points = POINTS.map(|point| format!("skeleton/{point}"));
    for folder in FOLDERS.into_iter().map(str::to_owned).chain(points) {
        fs::create_dir_all(root.join(folder))?;
    }
    for file in POINT_FILES {
        let path = root.join("skeleton").join(file);
        File::options().create(true).append(true).open(path)?;
    }
    Ok(())
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

fn short(layer: &LayerId) -> String {
    let mut name = layer.to_string();
    name.truncate(SHORT);
    name
}
