//! What `ADD` brings from addresses. What they hold is part of the image's identity, so it is known before anything is built: by the
//! checksum that is written, else by what is locked, else by what was there when it was fetched, which is asked again after a day.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::base::{FRESH, record};
use super::placed::{directories, entry, inside, parent};
use super::{BuildError, Builder, Prepared};
use crate::base::download::{DownloadError, Downloads};
use crate::context::Content;
use crate::digest::{Digest, Encoder};
use crate::engine::{EntryKind, FileSink, FileSource};
use crate::event::Event;
use crate::plan::PlannedLayer;

/// What an address holds.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) url: String,
    /// What it is called where it goes into a directory.
    name: String,
    pub(super) digest: Digest,
    known: Known,
}

/// How it is known what an address holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Written,
    Locked,
    Seen,
}

impl Fetched {
    /// Where it goes: into a directory, if the target ends in `/`.
    pub(super) fn path_at(&self, target: &str) -> String {
        let name = if target.ends_with('/') {
            &self.name
        } else {
            ""
        };
        format!("{target}{name}")
    }
}

/// What the store keeps of an address.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    digest: Digest,
    fetched: SystemTime,
}

/// What identifies all that an `ADD` takes: what is of this machine, and what is not.
pub(super) fn digest(local: Digest, fetched: &[Fetched]) -> Digest {
    if fetched.is_empty() {
        return local;
    }
    let mut encoder = Encoder::new("image-runtime added files 1");
    encoder.digest(&local).number(fetched.len() as u64);
    for one in fetched {
        encoder.text(&one.name).digest(&one.digest);
    }
    encoder.finish()
}

impl Builder {
    /// Finds out what an address holds.
    pub(super) async fn fetched(
        &self,
        image: &str,
        url: &str,
        checksum: Option<Digest>,
    ) -> Result<Fetched, BuildError> {
        let name = name_of(url).ok_or_else(|| BuildError::NoName {
            url: url.to_owned(),
        })?;
        let (digest, known) = if let Some(digest) = checksum {
            (digest, Known::Written)
        } else if let Some(digest) = self.locked_address(url, image).await? {
            (digest, Known::Locked)
        } else {
            let look = Box::pin(self.look_at(url));
            let looked = self.addresses.get(url.to_owned(), look).await;
            (looked.map_err(BuildError::Shared)?, Known::Seen)
        };
        Ok(Fetched {
            url: url.to_owned(),
            name: name.to_owned(),
            digest,
            known,
        })
    }

    async fn look_at(&self, url: &str) -> Result<Digest, BuildError> {
        let file = record(&format!("address {url}"));
        let folder = self.store.bases();
        let known: Option<Record> = folder.read_record(&file);
        let ask = self.options.pull || self.options.no_cache || self.options.ignore_cache;
        if let Some(known) = &known {
            let age = SystemTime::now().duration_since(known.fetched);
            if !ask && age.is_ok_and(|age| age < FRESH) {
                return Ok(known.digest);
            }
        }
        let fetched = self.download(url, None, &|_| {}).await;
        let digest = match (fetched, known) {
            (Ok(digest), _) => digest,
            (Err(error), Some(known)) if !self.options.pull => {
                self.events.tell(Event::Notice {
                    text: format!(
                        "`{url}` cannot be fetched ({error}); what it held before is used"
                    ),
                });
                return Ok(known.digest);
            }
            (Err(source), _) => {
                return Err(BuildError::Fetch {
                    url: url.to_owned(),
                    source,
                });
            }
        };
        if !self.options.ignore_cache {
            let fetched = SystemTime::now();
            folder.write_record(&file, &Record { digest, fetched })?;
        }
        Ok(digest)
    }

    async fn download(
        &self,
        url: &str,
        expected: Option<Digest>,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Digest, DownloadError> {
        let downloads = Downloads::new(self.store.downloads().path())?;
        downloads.fetch(&self.store, url, expected, progress).await
    }

    /// Has what an address holds, on its way to a target: a directory where that ends in `/`.
    pub(super) async fn fetch(
        &self,
        fetched: &Fetched,
        layer: &PlannedLayer,
        target: &str,
    ) -> Result<impl FileSource + use<>, BuildError> {
        let url = &fetched.url;
        let digest = fetched.digest;
        let progress = |done| self.progress(layer, "downloading", done, 0);
        let done = self.download(url, Some(digest), &progress).await;
        done.map_err(|source| match source {
            DownloadError::WrongChecksum { got, expected, .. }
                if fetched.known == Known::Locked =>
            {
                BuildError::OtherFile {
                    url: url.clone(),
                    got,
                    expected,
                }
            }
            source => BuildError::Fetch {
                url: url.clone(),
                source,
            },
        })?;
        Ok(FetchedSource {
            file: self.store.downloads().join(&digest.to_string()),
            digest,
            path: inside(&fetched.path_at(target)),
        })
    }
}

impl Prepared {
    /// What addresses hold that an image takes in, and those whose files it takes: of all that have no checksum.
    pub(super) fn collect_addresses(&self, addresses: &mut BTreeMap<String, Digest>) {
        let fetched = self.copied.keys().flat_map(|step| self.fetched(*step));
        let unwritten = fetched.filter(|one| one.known != Known::Written);
        addresses.extend(unwritten.map(|one| (one.url.clone(), one.digest)));
        for source in self.sources() {
            source.collect_addresses(addresses);
        }
    }
}

/// The last part of an address' path.
fn name_of(url: &str) -> Option<&str> {
    let path = url.split(['?', '#']).next()?;
    let (_, path) = path.split_once("://")?.1.split_once('/')?;
    path.rsplit('/')
        .next()
        .filter(|name| !matches!(*name, "" | "." | ".."))
}

struct FetchedSource {
    file: PathBuf,
    digest: Digest,
    path: PathBuf,
}

impl FileSource for FetchedSource {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        directories(parent(&self.path), sink)?;
        let size = std::fs::metadata(&self.file)?.len();
        let mut content = Content::open(self.file, self.digest, size)?;
        // As Docker has it: nobody else reads what came from elsewhere.
        let entry = entry(self.path, 0o600, EntryKind::File { size });
        sink.add(&entry, &mut content)?;
        io::copy(&mut content, &mut io::sink()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_by_the_end_of_its_address() {
        for (url, name) in [
            ("https://h/a/b.tar.gz", Some("b.tar.gz")),
            ("http://h/b?c=d/e#f", Some("b")),
            ("https://h/a/", None),
            ("https://h", None),
            ("https://h/..", None),
        ] {
            assert_eq!(name_of(url), name, "{url}");
        }
    }

    #[test]
    fn what_an_address_holds_and_its_name_are_part_of_the_identity() {
        let fetched = |name: &str, text: &str| Fetched {
            url: "https://h/x".into(),
            name: name.into(),
            digest: Digest::of(text.as_bytes()),
            known: Known::Seen,
        };
        let local = Digest::of(b"local");
        let of = |one| digest(local, &[one]);
        assert_eq!(digest(local, &[]), local);
        assert_ne!(of(fetched("a", "1")), of(fetched("a", "2")));
        assert_ne!(of(fetched("a", "1")), of(fetched("b", "1")));
    }
}
