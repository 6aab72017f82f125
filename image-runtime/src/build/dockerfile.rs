//! Instructions of Dockerfiles that bring files: where those come from, and whom they belong to.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::archive::Archive;
use super::fetch::{self, Fetched};
use super::owner;
use super::placed::{Directory, Document, Packed, Placed, Seen, inside};
use super::steps::new_layer;
use super::{BuildError, Builder, Prepared};
use crate::context::{Context, Taken, Tree, copied};
use crate::digest::{Digest, Encoder, LayerId};
use crate::engine::{Access, EngineError, FileSource, Mount};
use crate::plan::{Action, Chain, CopySpec, MountSpec, Part, PlannedLayer};
use crate::protocol::Command;
use crate::secrets::Mask;
use crate::spec::dockerfile::{MountKind, Source};
use crate::store::StoreError;
use crate::worker::{DEEP, FLAT, PACK};

/// Where build containers see the directory that packed files go to.
const PACKED: &str = "/dev/image-runtime/packed";

/// The files that an instruction takes in.
#[derive(Debug)]
pub(super) struct Files {
    /// Those of this machine.
    taken: Vec<Taken>,
    /// Those of addresses.
    fetched: Vec<Fetched>,
    /// The images that the others are of: of a `RUN`, one for each mount that names one.
    images: Vec<Prepared>,
    /// What identifies them.
    pub(super) digest: Digest,
}

impl Files {
    /// Files of another image.
    pub(super) fn of_image(image: Prepared, sources: &[String]) -> Self {
        let mut encoder = Encoder::new("image-runtime copied from image 1");
        encoder.digest(&image.plan.top());
        encoder.list(sources.iter().map(String::as_str));
        Self {
            digest: encoder.finish(),
            taken: Vec::new(),
            fetched: Vec::new(),
            images: vec![image],
        }
    }

    /// Those of this machine, where there are no others.
    pub(super) fn local(&self) -> Option<Vec<&Tree>> {
        let taken = self.taken.iter().map(|taken| &taken.tree);
        self.images.is_empty().then(|| taken.collect())
    }
}

/// Whom copied files belong to, and where exactly they go.
struct Place {
    owner: Option<(u32, u32)>,
    /// With a `/` at the end if it is a directory.
    target: String,
}

impl Builder {
    /// Finds out what an instruction copies, without building anything.
    pub(super) async fn find_files(
        &self,
        image: &str,
        chain: &Chain,
        index: usize,
        copy: &CopySpec,
    ) -> Result<Files, BuildError> {
        match self.other(image, chain, index, copy.from).await? {
            Some(other) => Ok(Files::of_image(other, &copy.sources)),
            None => self.read_context(image, chain, index, copy).await,
        }
    }

    /// The stage or the image that an instruction names; nothing, where its files are of the context directory.
    async fn other(
        &self,
        image: &str,
        chain: &Chain,
        index: usize,
        from: Source,
    ) -> Result<Option<Prepared>, BuildError> {
        let step = chain.steps[index];
        let Part::Instruction(_, origin) = step.part else {
            unreachable!("only instructions name stages and images")
        };
        Ok(match from {
            Source::Context | Source::Nothing => None,
            Source::Stage(stage) => {
                let stages = Chain::of_stage(origin, stage, step.place);
                let mut other = self.prepare_chain(image.to_owned(), &stages).await?;
                other.locked_as = format!("{image}, stage {stage}");
                if other.has_steps() {
                    self.pin(&mut other).await?;
                }
                Some(other)
            }
            Source::Image(reference) => {
                let other = Chain::of_registry(reference);
                Some(self.prepare_chain(image.to_owned(), &other).await?)
            }
        })
    }

    /// Finds out which files a `RUN` sees, without building anything: each path names one file or one directory.
    pub(super) async fn bound_files(
        &self,
        image: &str,
        chain: &Chain,
        index: usize,
        mounts: &[MountSpec],
    ) -> Result<Files, BuildError> {
        let (mut paths, mut images) = (Vec::new(), Vec::new());
        let mut lent = Encoder::new("image-runtime lent files 1");
        for mount in mounts {
            let MountKind::Bind(from) = mount.kind else {
                continue;
            };
            match self.other(image, chain, index, from).await? {
                Some(other) => {
                    lent.digest(&other.plan.top()).text(&mount.name);
                    images.push(other);
                }
                None => paths.push(literally(&mount.name)),
            }
        }
        let taken = self.take(chain, index, "RUN --mount", paths).await?;
        let local = copied::digest(&taken);
        Ok(Files {
            digest: match images.is_empty() {
                true => local,
                false => lent.digest(&local).finish(),
            },
            taken,
            fetched: Vec::new(),
            images,
        })
    }

    /// Reads the files that an instruction takes from its context directory, and what it takes from elsewhere.
    async fn read_context(
        &self,
        image: &str,
        chain: &Chain,
        index: usize,
        copy: &CopySpec,
    ) -> Result<Files, BuildError> {
        let mut fetched = Vec::new();
        for url in &copy.addresses {
            fetched.push(self.fetched(image, url, copy.checksum).await?);
        }
        let verb = if copy.add { "ADD" } else { "COPY" };
        let taken = self.take(chain, index, verb, copy.sources.clone()).await?;
        Ok(Files {
            digest: fetch::digest(copied::digest(&taken), &fetched),
            taken,
            fetched,
            images: Vec::new(),
        })
    }

    async fn take(
        &self,
        chain: &Chain,
        index: usize,
        verb: &'static str,
        sources: Vec<String>,
    ) -> Result<Vec<Taken>, BuildError> {
        let step = chain.steps[index];
        let Part::Instruction(_, origin) = step.part else {
            unreachable!("only instructions copy from a context directory")
        };
        let folder = Path::new(step.place.manifest_dir);
        let context = folder.join(origin.context);
        let file = origin.dockerfile.file.map(|file| folder.join(file));
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || {
            if sources.is_empty() {
                return Ok(Vec::new());
            }
            Context::open(&context, file.as_deref())?.take(&store, &sources)
        })
        .await
        .expect("reading files does not panic")
        .map_err(|source| BuildError::Files {
            place: step.place,
            verb,
            source: Box::new(source),
        })
    }

    /// The images that missing layers of an image are made with: those whose files they take, and the tool image.
    pub(super) async fn sources<'a>(
        &'a self,
        image: &'a Prepared,
        missing: &[usize],
    ) -> Result<Vec<&'a Prepared>, BuildError> {
        let mut sources = Vec::new();
        for index in missing {
            match &image.plan.layers[*index].action {
                Action::Copy { step, .. } | Action::Run { step, .. } => {
                    sources.extend(image.others(*step));
                }
                Action::Conda { .. } => sources.push(self.conda_tool(&image.name).await?),
                _ => {}
            }
        }
        Ok(sources)
    }

    /// All layers that are to be made for an image, those of the images that it copies from among them.
    pub(super) fn to_make<'a>(
        &'a self,
        image: &'a Prepared,
        missing: &'a [usize],
    ) -> BoxFuture<'a, Result<BTreeSet<LayerId>, BuildError>> {
        Box::pin(async move {
            let own = missing.iter().map(|index| image.plan.layers[*index].id);
            let mut all: BTreeSet<_> = own.collect();
            for source in self.sources(image, missing).await? {
                let missing = self.missing(&source.plan).await?;
                all.append(&mut self.to_make(source, &missing).await?);
            }
            Ok(all)
        })
    }

    /// Makes the layer of a `COPY` or an `ADD`; the images it copies from exist.
    pub(super) async fn make_copy(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        step: usize,
        copy: &CopySpec,
    ) -> Result<(), BuildError> {
        let mut parts: Vec<Box<dyn FileSource>> = Vec::new();
        let mut unpacked: Vec<Box<dyn FileSource>> = Vec::new();
        let place;
        let Files {
            taken,
            fetched,
            images,
            ..
        } = &image.copied[&step];
        match &images[..] {
            [] => {
                let archives = match copy.add {
                    true => archives(taken, &copy.target).map_err(EngineError::Files)?,
                    false => taken.iter().map(|_| None).collect(),
                };
                let is_file = taken.iter().zip(&archives);
                let is_file = is_file
                    .clone()
                    .any(|(one, archive)| one.name.is_some() && archive.is_none());
                let is_file = is_file || !copy.documents.is_empty() || !fetched.is_empty();
                place = self.place(image, layer, parent, copy, is_file).await?;
                for (taken, archive) in taken.iter().zip(archives) {
                    match archive {
                        Some(archive) => unpacked.push(Box::new(archive)),
                        None => parts.push(taken.tree.source(&place.target)),
                    }
                }
                for one in fetched {
                    parts.push(Box::new(self.fetch(one, layer, &place.target).await?));
                }
            }
            [other, ..] => {
                let packed = self.pack_of(image, layer, other, &copy.sources).await?;
                let is_file = packed.has_files().map_err(EngineError::Files)?;
                place = self.place(image, layer, parent, copy, is_file).await?;
                parts.push(Box::new(packed.placed_at(&place.target)));
            }
        }
        parts.extend(copy.documents.iter().map(|(name, content)| {
            let name = if place.target.ends_with('/') {
                name
            } else {
                ""
            };
            let path = inside(&format!("{}{name}", place.target));
            Box::new(Document::new(path, content)) as _
        }));
        let files = Placed {
            archives: unpacked,
            above: inside(&place.target),
            parts,
            owner: place.owner,
            mode: copy.mode,
        };
        let new = new_layer(layer, Some(parent));
        Ok(self.engine.add_files(&new, Box::new(files)).await?)
    }

    /// Makes a working directory: it belongs to the image's user.
    pub(super) async fn make_workdir(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
    ) -> Result<(), BuildError> {
        let path = inside(&layer.config.workdir);
        let owner = self.owner(image, layer, parent, &layer.config.user).await?;
        let files = Placed {
            archives: Vec::new(),
            above: path.clone(),
            parts: vec![Box::new(Directory(path))],
            owner,
            mode: None,
        };
        let new = new_layer(layer, Some(parent));
        Ok(self.engine.add_files(&new, Box::new(files)).await?)
    }

    async fn owner(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        owner: &str,
    ) -> Result<Option<(u32, u32)>, BuildError> {
        let target = format!("{}/", layer.config.workdir);
        let copy = CopySpec {
            add: false,
            from: Source::Nothing,
            sources: Vec::new(),
            addresses: Vec::new(),
            checksum: None,
            documents: Vec::new(),
            target,
            owner: owner.to_owned(),
            mode: None,
        };
        let place = self.place(image, layer, parent, &copy, false).await?;
        Ok(place.owner)
    }

    /// Where files go and whom they belong to, by what the layer below holds.
    async fn place(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        copy: &CopySpec,
        is_file: bool,
    ) -> Result<Place, BuildError> {
        let mut place = Place {
            owner: owner::numbers(&copy.owner),
            target: copy.target.clone(),
        };
        let by_name = !copy.owner.is_empty() && place.owner.is_none();
        let unsure = is_file && !place.target.ends_with('/');
        if !by_name && !unsure {
            return Ok(place);
        }
        let wanted = ["/etc/passwd", "/etc/group", &literally(&place.target)].map(str::to_owned);
        let seen = self.look(image, layer, parent, &wanted).await?;
        if by_name {
            let owner = owner::look_up(&copy.owner, &seen.texts[0], &seen.texts[1]);
            place.owner = Some(owner.map_err(|reason| BuildError::Owner {
                step: layer.title.clone(),
                reason,
            })?);
        }
        if unsure && seen.directories.contains(&2) {
            place.target.push('/');
        }
        Ok(place)
    }

    /// What is at a few paths of a layer.
    pub(super) async fn look(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        of: LayerId,
        wanted: &[String],
    ) -> Result<Seen, BuildError> {
        let packed = self.pack(image, layer, of, FLAT, wanted).await?;
        Ok(packed.look().map_err(EngineError::Files)?)
    }

    /// Packs files of another image, with all that directories hold.
    pub(super) async fn pack_of(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        other: &Prepared,
        wanted: &[String],
    ) -> Result<Packed, BuildError> {
        let of = other.plan.top();
        self.pack(image, layer, of, DEEP, wanted).await
    }

    /// Packs files of a layer.
    async fn pack(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        of: LayerId,
        depth: &str,
        wanted: &[String],
    ) -> Result<Packed, BuildError> {
        let folder = self.store.run_dir()?;
        let shared = folder.path().join("packed");
        std::fs::create_dir(&shared).map_err(|error| StoreError::io("make", &shared, error))?;
        let mut argv = [PACK, depth, &format!("{PACKED}/files.tar")]
            .map(str::to_owned)
            .to_vec();
        argv.extend_from_slice(wanted);
        let command = Command {
            argv,
            env: Vec::new(),
            workdir: "/".to_owned(),
        };
        let mount = Mount::Local {
            source: shared.clone(),
            target: PACKED.to_owned(),
            access: Access::Returned,
        };
        let worker = self
            .run_in(
                image,
                layer,
                of,
                &Mask::default(),
                vec![command],
                vec![mount],
            )
            .await?;
        worker.remove().await?;
        Ok(Packed::new(shared.join("files.tar"), folder))
    }
}

impl Prepared {
    /// The local files that a step takes.
    pub(super) fn taken(&self, step: usize) -> impl Iterator<Item = &Tree> {
        let files = self.copied.get(&step).into_iter();
        files.flat_map(|files| files.taken.iter().map(|taken| &taken.tree))
    }

    /// Whether it is more than its base.
    pub(super) fn has_steps(&self) -> bool {
        self.plan.layers.len() > 1
    }

    /// The images whose files a step takes.
    pub(super) fn others(&self, step: usize) -> &[Self] {
        self.copied.get(&step).map_or(&[], |files| &files.images)
    }

    /// The images whose files its steps take.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Self> {
        self.copied.values().flat_map(|files| &files.images)
    }

    /// What a step takes from addresses.
    pub(super) fn fetched(&self, step: usize) -> &[Fetched] {
        self.copied.get(&step).map_or(&[], |files| &files.fetched)
    }
}

/// Which of what `ADD` takes are archives.
fn archives(taken: &[Taken], target: &str) -> std::io::Result<Vec<Option<Archive>>> {
    let archive = |taken: &Taken| match taken.name {
        Some(_) => Archive::of(&taken.tree, inside(target)),
        None => Ok(None),
    };
    taken.iter().map(archive).collect()
}

/// A path as a pattern that matches it alone.
pub(super) fn literally(path: &str) -> String {
    let mut pattern = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
