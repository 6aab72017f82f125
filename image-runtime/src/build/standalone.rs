//! Standalone Pythons: which one an image gets, and how its archive becomes a layer.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::archive::unpacked;
use super::placed::{directories, inside, put};
use super::steps::shell;
use super::{BuildError, Builder, Prepared, pins, pip};
use crate::base::python::standalone::{self, Found};
use crate::digest::{Encoder, LayerId};
use crate::engine::{Entry, EntryKind, FileSink, FileSource, NewLayer};
use crate::event::Event;
use crate::plan::{
    BaseSource, Libc, Plan, PlannedLayer, ResolvedBase, StandalonePython, base_layer,
};
use crate::spec::base::PythonVersion;

/// Where it goes: where `python:` images have theirs.
const PREFIX: &str = "usr/local";

/// The prefix that the archives were built for.
const BUILT_FOR: &str = "/install";

/// The directory of the archives that holds it.
const IN_ARCHIVE: &str = "python";

impl Builder {
    /// Finds the standalone Python that an image is given.
    pub(super) async fn find_standalone(
        &self,
        version: PythonVersion,
        libc: Libc,
        image: &str,
    ) -> Result<StandalonePython, BuildError> {
        let found = self.python_mirror.find(version, libc, &self.store).await;
        let Found {
            python,
            is_vouched_for,
        } = found.map_err(|source| BuildError::Standalone {
            asked: asked(version).to_owned(),
            source: Box::new(source),
        })?;
        let mut notes = Vec::new();
        if python.version != version.exact {
            notes.push(format!("in place of {}, which is not there", version.exact));
        }
        if !is_vouched_for {
            notes.push("trusted as it is, since nothing there says its SHA-256".to_owned());
        }
        let notes = match notes.is_empty() {
            true => String::new(),
            false => format!(" ({})", notes.join("; ")),
        };
        self.events.tell(Event::Notice {
            text: format!(
                "{image}: Python {} is a standalone one, from {}{notes}",
                python.version,
                self.python_mirror.url()
            ),
        });
        Ok(python)
    }

    /// The C library of a base, which says which Python runs in it.
    pub(super) async fn libc_of(
        &self,
        base: &ResolvedBase,
        image: &str,
    ) -> Result<Libc, BuildError> {
        if !matches!(base.source, BaseSource::Registry { .. }) {
            // Debian, or nothing: then what is put in brings one.
            return Ok(Libc::Gnu);
        }
        let layer = base_layer(&base.source);
        let of = layer.id;
        let looked_at = Prepared::of_base(image, layer);
        let loaders = match std::env::consts::ARCH {
            "aarch64" => ["/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"],
            _ => ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"],
        };
        let wanted = loaders.map(str::to_owned);
        let layer = &looked_at.plan.layers[0];
        let seen = self.look(&looked_at, layer, of, &wanted).await?;
        match (seen.files.contains(&0), seen.files.contains(&1)) {
            (true, _) => Ok(Libc::Gnu),
            (false, true) => Ok(Libc::Musl),
            (false, false) => Err(BuildError::NoLibc {
                base: base.source.describe(),
            }),
        }
    }

    /// Makes the layer of a standalone Python.
    pub(super) async fn make_standalone(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        python: &StandalonePython,
        pip: &str,
        uv: &str,
    ) -> Result<(), BuildError> {
        let told = AtomicU64::new(0);
        let progress = |done: u64| {
            // Not of every packet.
            if done - told.load(Ordering::Relaxed) >= 1 << 20 {
                told.store(done, Ordering::Relaxed);
                self.progress(layer, "downloading", done, 0);
            }
        };
        let archive = standalone::archive(python, &self.store, &progress)
            .await
            .map_err(|source| BuildError::Standalone {
                asked: python.version.clone(),
                source: Box::new(source.into()),
            })?;
        let mut encoder = Encoder::new("image-runtime unpacked python v1");
        let unpacked = NewLayer {
            id: encoder.digest(&layer.id).finish(),
            parent: Some(parent),
            title: format!("{}, unpacked", layer.title),
        };
        // What stands on another is noted after it.
        self.note_passing(&unpacked.id).await?;
        self.note_passing(&layer.id).await?;
        self.progress(layer, "unpacking", 0, 0);
        let files = Standalone::new(archive, &python.version);
        self.engine.add_files(&unpacked, Box::new(files)).await?;
        let secrets = crate::secrets::Values::default();
        let installation = match &layer.pins {
            Some(pins) => pins::install(&pins.python, layer, &secrets, &self.store)?,
            None => pip::packages(&[&format!("pip=={pip}")]),
        };
        let mut mounts = self.uv_mounts(uv).await?;
        mounts.extend(installation.mounts.iter().cloned());
        let mut commands = installation.commands.clone();
        // Each fresh container would do it again. Files that are no Python are part of some tests.
        commands.push(shell(
            "python3 -m compileall -q -j 0 -x '/(test|tests)/' /usr/local/lib/python3* || true",
        ));
        self.run_step(image, layer, unpacked.id, &secrets, commands, mounts)
            .await
    }
}

fn asked(version: PythonVersion) -> &'static str {
    match version.pinned {
        true => version.exact,
        false => version.series,
    }
}

impl Prepared {
    /// A base by itself.
    fn of_base(image: &str, layer: PlannedLayer) -> Self {
        Self {
            name: image.to_owned(),
            locked_as: image.to_owned(),
            base: None,
            plan: Plan {
                config: layer.config.clone(),
                layers: vec![layer],
                steps: Vec::new(),
            },
            trees: std::collections::HashMap::new(),
            copied: std::collections::HashMap::new(),
            added: Vec::new(),
        }
    }
}

/// The files of an archive on their way to where they go.
struct Standalone {
    archive: PathBuf,
    /// `python3.12`
    program: String,
}

impl Standalone {
    fn new(archive: PathBuf, version: &str) -> Self {
        let series = version
            .rsplit_once('.')
            .map_or(version, |(series, _)| series);
        Self {
            archive,
            program: format!("python{series}"),
        }
    }
}

impl FileSource for Standalone {
    fn walk(self: Box<Self>, sink: &mut dyn FileSink) -> io::Result<()> {
        let prefix = inside(PREFIX);
        directories(&prefix, sink)?;
        let mut placing = Placing {
            sink,
            seen: HashSet::from([prefix]),
        };
        let mut archive = tar::Archive::new(unpacked(&self.archive)?);
        for member in archive.entries()? {
            put(&mut member?, &place, &mut placing)?;
        }
        let bin = Path::new(PREFIX).join("bin");
        if !placing.seen.contains(&bin.join(&self.program)) {
            return Err(io::Error::other(format!(
                "the archive holds no `{IN_ARCHIVE}/bin/{}`: it is none of python-build-standalone’s `install_only` ones",
                self.program
            )));
        }
        for name in ["python3", "python"] {
            let path = bin.join(name);
            if !placing.seen.contains(&path) {
                let target = self.program.clone().into();
                let link = Entry {
                    path,
                    kind: EntryKind::Symlink { target },
                    mode: 0o777,
                    uid: 0,
                    gid: 0,
                    mtime: crate::context::MTIME,
                };
                placing.add(&link, &mut io::empty())?;
            }
        }
        Ok(())
    }
}

/// Where a member of the archive goes; nowhere what is not below its directory.
fn place(path: &Path) -> io::Result<PathBuf> {
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    if parts.next() != Some(Component::Normal(IN_ARCHIVE.as_ref())) {
        return Ok(PathBuf::new());
    }
    let mut inside = PathBuf::from(PREFIX);
    for part in parts {
        match part {
            Component::Normal(name) => inside.push(name),
            _ => {
                let said = format!("`{}` leads out of the archive", path.display());
                return Err(io::Error::other(said));
            }
        }
    }
    Ok(inside)
}

/// Gives entries to a sink as files of root, their directories first, and with the prefix that they now have.
struct Placing<'a> {
    sink: &'a mut dyn FileSink,
    seen: HashSet<PathBuf>,
}

impl FileSink for Placing<'_> {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let parent = entry.path.parent().unwrap_or(Path::new(""));
        if !self.seen.contains(parent) {
            directories(parent, self.sink)?;
            self.seen.extend(parent.ancestors().map(Path::to_owned));
        }
        self.seen.insert(entry.path.clone());
        let mut entry = entry.clone();
        (entry.uid, entry.gid) = (0, 0);
        if !matches!(entry.kind, EntryKind::File { .. }) || !names_prefix(&entry.path) {
            return self.sink.add(&entry, content);
        }
        let mut text = Vec::new();
        content.read_to_end(&mut text)?;
        let text = relocated(&text);
        let size = text.len() as u64;
        entry.kind = EntryKind::File { size };
        self.sink.add(&entry, &mut Cursor::new(text))
    }
}

/// Whether a file tells what builds extensions where Python is.
fn names_prefix(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_python = path.extension().is_some_and(|extension| extension == "py");
    is_python && name.starts_with("_sysconfigdata_")
        || path.extension().is_some_and(|extension| extension == "pc")
}

/// The text with the place of the files in place of the one they were built for.
fn relocated(text: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(text) else {
        return text.to_vec();
    };
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BUILT_FOR) {
        let (before, after) = (&rest[..at], &rest[at + BUILT_FOR.len()..]);
        whole.push_str(before);
        // No part of a longer path, but perhaps of an option: `-L/install/lib`.
        let word = before
            .rsplit([' ', '\'', '"', '=', ':'])
            .next()
            .unwrap_or_default();
        let starts = matches!(word, "" | "-L" | "-I");
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || "._-".contains(c));
        whole.push_str(match starts && ends {
            true => "/usr/local",
            false => BUILT_FOR,
        });
        rest = after;
    }
    whole.push_str(rest);
    whole.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_extensions_is_told_the_new_prefix() {
        let text =
            "'prefix': '/install', 'LDFLAGS': '-L/install/lib -L/a/install', 'x': '/installed'";
        let moved =
            "'prefix': '/usr/local', 'LDFLAGS': '-L/install/lib -L/a/install', 'x': '/installed'";
        assert_eq!(relocated(b"/install/lib"), b"/usr/local/lib");
        assert_eq!(
            String::from_utf8(relocated(text.as_bytes())).unwrap(),
            moved.replace("-L/install/lib", "-L/usr/local/lib")
        );
    }

    #[test]
    fn members_go_below_the_prefix_and_nowhere_else() {
        let placed = |path: &str| place(Path::new(path)).ok();
        assert_eq!(
            placed("./python/bin/python3"),
            Some("usr/local/bin/python3".into())
        );
        assert_eq!(placed("python"), Some("usr/local".into()));
        assert_eq!(placed("other/file"), Some(PathBuf::new()));
        assert_eq!(placed("python/../../etc/passwd"), None);
    }
}
