//! `image.lock` while building: which layers are made as it says, whether they are, and what a new one says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::locked_base::locked_base;
use super::make::MOST_LOST;
use super::{BuildError, Builder, Prepared, pins};
use crate::digest::{Digest, Encoder};
use crate::plan::{
    Action, BaseSource, Chain, Fact, Holdings, LOCK_FILE, LockError, LockedAddress, LockedBase,
    LockedImage, LockedStep, Lockfile, PythonPackage, StandalonePython, Value, definition,
    installs, tools,
};
use crate::spec::Image;

/// Names another lock: what it holds differs between kinds of machines.
const LOCK_VARIABLE: &str = "IMAGE_LOCK";

/// How a build uses `image.lock`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockUse {
    /// Not at all.
    #[default]
    Ignored,
    /// As far as it is there and fits.
    Kept,
    /// It is there, fits, and is what comes out.
    Exact,
}

impl Builder {
    /// Where the lock is: what `IMAGE_LOCK` names, else the file beside the package's `Cargo.toml`.
    pub fn lock_path(&self) -> PathBuf {
        if let Some(named) = std::env::var_os(LOCK_VARIABLE).filter(|named| !named.is_empty()) {
            return named.into();
        }
        Path::new(self.options.folder).join(LOCK_FILE)
    }

    async fn lockfile(&self) -> Result<Option<&Lockfile>, BuildError> {
        let exact = match self.options.lock {
            LockUse::Ignored => return Ok(None),
            LockUse::Kept => false,
            LockUse::Exact => true,
        };
        let read = || async {
            let path = self.lock_path();
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !exact => {
                    return Ok(None);
                }
                Err(source) => return Err(BuildError::NoLock { path, source }),
            };
            let lock = Lockfile::parse(&text);
            lock.map(Some)
                .map_err(|source| BuildError::Lock { path, source })
        };
        Ok(self.lock.get_or_try_init(read).await?.as_ref())
    }

    fn exact(&self) -> bool {
        self.options.lock == LockUse::Exact
    }

    /// What the lock says a base is.
    pub(super) async fn locked_base(
        &self,
        key: &str,
        chain: &Chain,
        image: &str,
    ) -> Result<Option<(BaseSource, Option<StandalonePython>)>, BuildError> {
        let Some(lock) = self.lockfile().await? else {
            return Ok(None);
        };
        match lock.base(key) {
            Some(base) => locked_base(base, chain, &self.store)
                .map(Some)
                .map_err(|reason| self.misfit(image, format!("base `{key}` {reason}"))),
            None if self.exact() => Err(self.misfit(image, format!("base `{key}` is not in it"))),
            None => Ok(None),
        }
    }

    /// What the lock says that an address holds.
    pub(super) async fn locked_address(
        &self,
        url: &str,
        image: &str,
    ) -> Result<Option<Digest>, BuildError> {
        let Some(lock) = self.lockfile().await? else {
            return Ok(None);
        };
        match lock.address(url) {
            None if self.exact() => {
                Err(self.misfit(image, format!("address `{url}` is not in it")))
            }
            known => Ok(known),
        }
    }

    fn misfit(&self, image: &str, fault: String) -> BuildError {
        BuildError::Lock {
            path: self.lock_path(),
            source: LockError::Misfit {
                image: image.to_owned(),
                faults: vec![fault],
            },
        }
    }

    /// Makes the lock part of a plan. A layer that is there and holds what is locked stays what it is; others have an identity
    /// that what is locked is part of.
    pub(super) async fn pin(&self, image: &mut Prepared) -> Result<(), BuildError> {
        let Some(lock) = self.lockfile().await? else {
            return Ok(());
        };
        let base = image.base.as_ref().map(|(key, _)| key.as_str());
        let fitting = lock.fit(
            (self.options.program, &image.locked_as),
            base,
            &image.plan,
            self.exact(),
        );
        let fitting = fitting.map_err(|source| BuildError::Lock {
            path: self.lock_path(),
            source,
        })?;
        let steps = image.plan.steps.iter().enumerate();
        let steps: Vec<_> = steps
            .filter(|(_, step)| step.layer)
            .map(|(index, _)| index)
            .collect();
        let mut chain = Digest::of(b"");
        let mut as_planned = true;
        for (index, holds) in fitting.into_iter().enumerate() {
            if let Some(holds) = holds {
                if !holds.is_empty() {
                    let said = serde_json::to_vec(&holds).expect("locks have string keys");
                    let mut next = Encoder::new("image-runtime pins 1");
                    chain = next.digest(&chain).bytes(&said).finish();
                }
                image.plan.layers[index].pins = Some(Arc::new(holds));
                as_planned = as_planned && self.agrees(image, index, true).await?;
            }
            if as_planned {
                continue;
            }
            let layer = &mut image.plan.layers[index];
            let mut encoder = Encoder::new("image-runtime locked layer 1");
            layer.id = encoder.digest(&layer.id).digest(&chain).finish();
            let step = &mut image.plan.steps[steps[index]];
            step.id = layer.id;
            // An explanation is to name the lock where that is what changed.
            if let Some(pins) = layer.pins.as_ref().filter(|pins| !pins.is_empty()) {
                step.facts.push(Fact {
                    name: LOCK_FILE.to_owned(),
                    value: Value::List(pins.lines()),
                });
            }
            // One that was made and not looked at, because its run was killed.
            let id = layer.id;
            if self.exact()
                && self.engine.has_layer(&id).await?
                && !self.agrees(image, index, false).await?
            {
                image.plan.layers[index].force = true;
            }
        }
        Ok(())
    }

    /// Whether a layer is there and holds what is locked. The identity of one that was made from a lock has its hashes in it; of others
    /// the hashes have to be known, and the same.
    async fn agrees(
        &self,
        image: &Prepared,
        index: usize,
        by_hash: bool,
    ) -> Result<bool, BuildError> {
        let layer = &image.plan.layers[index];
        let Some(pins) = &layer.pins else {
            return Ok(true);
        };
        if !self.engine.has_layer(&layer.id).await? {
            return Ok(false);
        }
        let holds = match self.holdings(image, index).await {
            Ok(holds) => holds,
            // Another program has removed it since.
            Err(error) if error.is_of_lost_layer() => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(holds.differences(pins).is_empty() && (!by_hash || holds.has_hashes_of(pins)))
    }

    /// Whether a layer that was just made holds what is locked; one that does not is removed.
    pub(super) async fn check(&self, image: &Prepared, index: usize) -> Result<(), BuildError> {
        let layer = &image.plan.layers[index];
        let Some(pins) = layer.pins.as_ref().filter(|_| self.exact()) else {
            return Ok(());
        };
        let differences = self.holdings(image, index).await?.differences(pins);
        if differences.is_empty() {
            return Ok(());
        }
        self.engine.remove_layer(&layer.id).await?;
        Err(BuildError::Unlocked {
            image: image.name.clone(),
            step: layer.title.clone(),
            differences,
        })
    }

    /// Builds what is missing of images, and answers what they hold: the text of `image.lock`.
    ///
    /// # Errors
    /// Why images could not be built: of each. Or that it cannot be found out what they hold.
    pub async fn lock(&self, images: &[Image]) -> Result<String, Vec<BuildError>> {
        let _kept = self.store.keep_downloads().await;
        let mut lost = 0;
        loop {
            let (mut prepared, mut faults) = (Vec::new(), Vec::new());
            for made in self.make_all(images).await {
                match made {
                    Ok((looked, _)) => prepared.push(looked.prepared),
                    Err(fault) => faults.push(fault),
                }
            }
            if !faults.is_empty() {
                return Err(faults);
            }
            match self.lock_prepared(&prepared).await {
                // Another program removed a layer before it was looked into.
                Err(error) if error.is_of_lost_layer() && lost < MOST_LOST => {
                    lost += 1;
                    for image in &prepared {
                        self.forget_made(image);
                    }
                }
                text => return text.map_err(|error| vec![error]),
            }
        }
    }

    async fn lock_prepared(&self, images: &[Prepared]) -> Result<String, BuildError> {
        let (mut bases, mut locked) = (BTreeMap::new(), BTreeMap::new());
        let mut addresses = BTreeMap::new();
        for prepared in images {
            prepared.collect_addresses(&mut addresses);
            self.collect_bases(prepared, &mut bases)?;
            if prepared.has_conda() {
                // Where a layer is missing, what is locked has to be enough to make it.
                let tool = self.conda_tool(&prepared.name).await?;
                self.collect_bases(tool, &mut bases)?;
            }
            self.collect_locked(prepared, &mut locked).await?;
        }
        let bases = bases.into_iter();
        let bases = bases.map(|(of, is)| LockedBase { of, is }).collect();
        let addresses = addresses.into_iter();
        let addresses = addresses.map(|(of, sha256)| LockedAddress { of, sha256 });
        let lock = Lockfile::new(bases, addresses.collect(), locked.into_values().collect());
        // One that cannot be read holds nothing of other programs either.
        let other = std::fs::read_to_string(self.lock_path()).ok();
        let other = other.and_then(|text| Lockfile::parse(&text).ok());
        let lock = match other {
            Some(other) => lock.with_others(other, self.options.program),
            None => lock,
        };
        Ok(lock.text())
    }

    /// What an image holds, and what those stages hold that it copies from. They are made where they are missing: nobody else
    /// can tell.
    fn collect_locked<'a>(
        &'a self,
        image: &'a Prepared,
        locked: &'a mut BTreeMap<String, LockedImage>,
    ) -> BoxFuture<'a, Result<(), BuildError>> {
        Box::pin(async move {
            if locked.contains_key(&image.locked_as) {
                return Ok(());
            }
            let this = self.locked(image).await?;
            locked.insert(image.locked_as.clone(), this);
            for stage in image.sources().filter(|source| source.has_steps()) {
                self.make_missing(stage).await?;
                self.collect_locked(stage, locked).await?;
            }
            Ok(())
        })
    }

    /// The bases of an image, and of those that it copies from.
    fn collect_bases(
        &self,
        image: &Prepared,
        bases: &mut BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    ) -> Result<(), BuildError> {
        if let Some((key, base)) = &image.base {
            bases.insert(key.clone(), self.base_to_lock(base)?);
        }
        image
            .sources()
            .try_for_each(|source| self.collect_bases(source, bases))
    }

    async fn locked(&self, image: &Prepared) -> Result<LockedImage, BuildError> {
        let program = self.options.program;
        let mut locked = LockedImage {
            name: image.locked_as.clone(),
            program: (!program.is_empty()).then(|| program.to_owned()),
            base: image.base.as_ref().map(|(key, _)| key.clone()),
            tools: BTreeMap::new(),
            steps: Vec::new(),
        };
        let records = image.plan.steps.iter().filter(|step| step.layer);
        for (index, (layer, record)) in image.plan.layers.iter().zip(records).enumerate().skip(1) {
            let mut holds = self.holdings(image, index).await?;
            if !installs(&layer.action) && holds.is_empty() {
                continue;
            }
            self.find_hashes(image, index, &mut holds).await?;
            let tools = tools(&layer.action).into_iter();
            let tools = tools.map(|(name, version)| (name.to_owned(), version.to_owned()));
            locked.tools.extend(tools);
            locked.steps.push(LockedStep {
                step: layer.title.clone(),
                definition: definition(record),
                holds,
            });
        }
        Ok(locked)
    }

    /// Fills in the hashes of Python packages that a step can be told to install: those that are known, and those its index or the
    /// servers of URLs tell.
    async fn find_hashes(
        &self,
        image: &Prepared,
        index: usize,
        holds: &mut Holdings,
    ) -> Result<(), BuildError> {
        let layer = &image.plan.layers[index];
        let secrets = self.secrets(image, layer)?;
        let known = layer
            .pins
            .as_deref()
            .map(|pins| &pins.python[..])
            .unwrap_or_default();
        for package in &mut holds.python {
            let is = |known: &&_| same(known, package);
            if let Some(known) = known.iter().find(is) {
                package.hashes.clone_from(&known.hashes);
            }
        }
        let uv = match &layer.action {
            Action::PipInstall { uv, .. }
            | Action::SuitePython { uv, .. }
            | Action::StandalonePython { uv, .. } => uv,
            // A lock of its own has hashes of its own.
            Action::UvSync { uv, sync } if sync.project.lock.is_empty() => uv,
            _ => return Ok(()),
        };
        let has_none = |package: &&PythonPackage| package.hashes.is_empty();
        let files = holds.python.iter();
        let files = files.filter(|package| !package.is_of_repository());
        let unknown: Vec<_> = files.filter(has_none).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let question = pins::ask_for_hashes(&unknown, layer, &secrets, &self.store)?;
        let mut mounts = self.uv_mounts(uv).await?;
        mounts.extend(question.mounts.iter().cloned());
        let mut commands = question.commands.clone();
        self.dress(layer, &secrets, &mut commands, &mut mounts);
        let worker = self
            .run_in(image, layer, layer.id, &secrets.mask(), commands, mounts)
            .await?;
        worker.remove().await?;
        let answer = pins::hashes(&question);
        for package in holds
            .python
            .iter_mut()
            .filter(|package| package.hashes.is_empty())
        {
            package.hashes = answer.get(&package.name).cloned().unwrap_or_default();
        }
        self.note_hashes(image, index, holds).await
    }
}

fn same(a: &PythonPackage, b: &PythonPackage) -> bool {
    (&a.name, &a.version, &a.url) == (&b.name, &b.version, &b.url)
}
