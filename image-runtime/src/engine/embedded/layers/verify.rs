//! Finds layers that are not as they were made, without having hashed them: nothing may change below a layer once it is in its
//! place, so whatever has a later change time than the layer's record was changed, and a directory has one too where something
//! was put into it or taken out. Programs cannot set change times; reading changes none.
//!
//! What this cannot find: a disk that returns other bytes than were written, changes while the machine's clock was set
//! back, and those that lie deeper than a path reaches. What it finds too much: a store that was copied or restored from a
//! backup is all new to the file system, and a layer in whose making the clock was set back.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Layers;
use super::record::{DAMAGED, FILES, RECORD, Record, read_damaged, read_record};
use crate::digest::LayerId;
use crate::engine::{Damaged, Verified};

/// How many changed files of a layer are named.
const NAMED: usize = 3;

impl Layers {
    /// Looks at every layer, and takes the records of those that are damaged: the next build makes them anew.
    ///
    /// # Errors
    /// The layers cannot be listed, or this process cannot look at one of them.
    pub(in crate::engine::embedded) fn verify(&self) -> io::Result<Verified> {
        let mut verified = Verified::default();
        for entry in fs::read_dir(self.root.join("layers"))? {
            let place = entry?.path();
            verified.layers += 1;
            let Some((title, faults)) = self.examine(&place)? else {
                continue;
            };
            let name = place.file_name().unwrap_or_default().to_string_lossy();
            verified.damaged.push(Damaged {
                layer: name.chars().take(12).collect(),
                title,
                faults,
            });
        }
        verified.damaged.sort_by(|a, b| a.layer.cmp(&b.layer));
        Ok(verified)
    }

    /// What is wrong with a layer, and its title; nothing where it is whole, or gone since.
    fn examine(&self, place: &Path) -> io::Result<Option<(String, Vec<String>)>> {
        loop {
            let record = self.record_at(place);
            let mut faults = match &record {
                Some(record) => changes(place, record)?,
                None => Vec::new(),
            };
            let is_whole = record.is_some() && faults.is_empty();
            // What was looked at may be partly of another layer that a build has put into its place meanwhile; it does so under
            // this lock. Where nothing can be locked, nothing can be built.
            let _lock = (!is_whole).then(|| self.lock(true));
            let made = |record: &Option<Record>| record.as_ref().map(|record| record.created);
            if !is_whole && made(&self.record_at(place)) != made(&record) {
                continue;
            }
            let Some(record) = record else {
                return Ok(wreck(place));
            };
            if !faults.is_empty()
                && fs::rename(place.join(RECORD), place.join(DAMAGED)).is_err()
                && place.exists()
            {
                faults.push("it cannot be marked, and is used as it is".to_owned());
            }
            // One that is there and damaged is told of by itself.
            let is_gone = |below: &LayerId| !self.directory(below).exists();
            let gone = record.parent.filter(is_gone);
            faults.extend(gone.map(|below| format!("layer {} below it is gone", below.short())));
            let is_damaged = !faults.is_empty() && place.exists();
            return Ok(is_damaged.then_some((record.title, faults)));
        }
    }

    /// The record of the layer in a place, if it is of one that belongs there.
    fn record_at(&self, place: &Path) -> Option<Record> {
        read_record(place).filter(|record| self.directory(&record.id) == place)
    }
}

/// What is said of a layer without a good record.
fn wreck(place: &Path) -> Option<(String, Vec<String>)> {
    let known = read_damaged(place);
    let fault = match (&known, fs::read(place.join(RECORD))) {
        (Some(_), _) => "it was found damaged before".to_owned(),
        (None, Ok(_)) => "its record is damaged".to_owned(),
        (None, Err(error)) => format!("its record cannot be read: {error}"),
    };
    let title = known.map(|record| record.title).unwrap_or_default();
    place.exists().then(|| (title, vec![fault]))
}

/// What was changed in a layer since it was made.
fn changes(place: &Path, record: &Record) -> io::Result<Vec<String>> {
    let mut changes = Changes {
        made: record.created,
        root: place.join(FILES),
        count: 0,
        faults: Vec::new(),
    };
    if is_later(&place.join(RECORD), record.created + SLACK) {
        changes.faults.push("its record was changed".to_owned());
    }
    let root = changes.root.clone();
    match fs::symlink_metadata(&root) {
        Ok(metadata) if metadata.is_dir() => {
            changes.look_at(&root, &metadata);
            let mut directories = vec![root];
            while let Some(directory) = directories.pop() {
                changes.look_into(&directory, &mut directories)?;
            }
        }
        Ok(_) => changes.faults.push("its files are no directory".to_owned()),
        Err(error) => changes
            .faults
            .push(format!("its files cannot be read: {error}")),
    }
    if changes.count > NAMED {
        let more = changes.count - NAMED;
        changes.faults.push(format!("{more} more were changed"));
    }
    Ok(changes.faults)
}

/// The record is written after the time that it holds was looked up.
const SLACK: Duration = Duration::from_secs(60);

fn is_later(path: &Path, time: SystemTime) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| changed(&metadata) > time)
}

fn changed(metadata: &fs::Metadata) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or_default());
    let rest = Duration::from_nanos(u64::try_from(metadata.ctime_nsec()).unwrap_or_default());
    SystemTime::UNIX_EPOCH + seconds + rest
}

/// What hides a file below: overlayfs makes one of it, and links to that, also from where it works; when those go, it changes.
fn is_whiteout(metadata: &fs::Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

struct Changes {
    made: SystemTime,
    root: PathBuf,
    count: usize,
    faults: Vec<String>,
}

impl Changes {
    fn look_at(&mut self, path: &Path, metadata: &fs::Metadata) {
        if changed(metadata) <= self.made || is_whiteout(metadata) {
            return;
        }
        self.count += 1;
        if self.count <= NAMED {
            let inside = path.strip_prefix(&self.root).unwrap_or(path);
            self.faults
                .push(format!("`/{}` was changed", inside.display()));
        }
    }

    /// Looks at what is in a directory; the directories in it are added to those that are to be looked into.
    fn look_into(&mut self, directory: &Path, directories: &mut Vec<PathBuf>) -> io::Result<()> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(directory, error),
        };
        for entry in entries {
            let read = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)));
            match read {
                Ok((path, metadata)) => {
                    self.look_at(&path, &metadata);
                    if metadata.is_dir() {
                        directories.push(path);
                    }
                }
                Err(error) => self.unreadable(directory, error)?,
            }
        }
        Ok(())
    }

    /// A layer is not damaged because this process can open nothing more.
    fn unreadable(&mut self, path: &Path, error: io::Error) -> io::Result<()> {
        match error.raw_os_error() {
            Some(libc::ENAMETOOLONG) => return Ok(()),
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EACCES | libc::EPERM) => {
                let text = format!("`{}`: {error}", path.display());
                return Err(io::Error::new(error.kind(), text));
            }
            _ => {}
        }
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        self.faults
            .push(format!("`/{}` cannot be read: {error}", inside.display()));
        Ok(())
    }
}
