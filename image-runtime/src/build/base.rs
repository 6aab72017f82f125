//! Bases: which bytes one names today, and how it becomes a layer.
//!
//! In this order: what the local store knows since less than a day, the registry, and, where no registry answers, the
//! Debian archive.

use std::time::{Duration, SystemTime};

use super::steps::new_layer;
use super::{BuildError, Builder, Prepared};
use crate::base::debian::{self, Archive};
use crate::base::python;
use crate::digest::{Digest, Encoder};
use crate::engine::{EngineError, NewLayer, NoFiles};
use crate::event::Event;
use crate::plan::{
    BaseSource, Chain, Libc, PlannedLayer, ResolvedBase, Root, StandalonePython, base_layer,
};
use crate::secrets::Login;
use crate::spec::base::{BuilderVersion, PythonVersion};
use crate::spec::{Image, ImageConfig, Secrets};
use crate::store::Store;

/// How long the answer to what a base names is taken as it is.
pub(super) const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// What the store keeps of a base.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    base: ResolvedBase,
    resolved: SystemTime,
}

/// The name under which what a root is today is remembered; `scratch` needs none.
pub(super) fn key(chain: &Chain) -> Option<String> {
    let key = root_key(&chain.root);
    match chain.added_python() {
        None => key,
        Some(python) => Some(format!(
            "{} with python {}",
            key.as_deref().unwrap_or("scratch"),
            python.exact
        )),
    }
}

fn root_key(root: &Root) -> Option<String> {
    match root {
        Root::Scratch => None,
        Root::Registry { reference, secrets } => {
            let secret = secrets.all.iter().map(|secret| {
                let [source, name] = secret.identity();
                format!(" as {source} {name}")
            });
            let secret: String = secret.collect();
            Some(format!("registry {reference}{secret}"))
        }
        Root::Debian { builder, python } => Some(format!(
            "debian {} python {}",
            builder.name,
            python.map_or("none", |python| python.exact)
        )),
    }
}

/// The file of the store that remembers it.
pub(super) fn record(key: &str) -> String {
    format!("{}.json", Digest::of(key.as_bytes()))
}

/// What an image's root was when it was last asked for, if the store knows.
pub(crate) fn known_base(store: &Store, image: Image) -> Option<ResolvedBase> {
    let key = key(&Chain::of(image))?;
    let known: Record = store.bases().read_record(&record(&key))?;
    Some(known.base)
}

impl Builder {
    /// What the chain's root is today.
    pub(super) async fn resolve_base(
        &self,
        chain: &Chain,
        image: &str,
    ) -> Result<ResolvedBase, BuildError> {
        let Some(key) = key(chain) else {
            return Ok(ResolvedBase {
                source: BaseSource::Scratch,
                config: ImageConfig::default(),
                python: None,
            });
        };
        self.bases
            .get(key.clone(), Box::pin(self.look_up_base(&key, chain, image)))
            .await
            .map_err(BuildError::Shared)
    }

    async fn look_up_base(
        &self,
        key: &str,
        chain: &Chain,
        image: &str,
    ) -> Result<ResolvedBase, BuildError> {
        let folder = self.store.bases();
        if let Some((source, python)) = self.locked_base(key, chain, image).await? {
            let mut base = self.describe_base(source, &chain.root, image).await?;
            base.python = python;
            return Ok(base);
        }
        let file = record(key);
        let known: Option<Record> = folder.read_record(&file);
        if let Some(record) = &known {
            let fresh = SystemTime::now()
                .duration_since(record.resolved)
                .is_ok_and(|age| age < FRESH);
            let ask = self.options.pull || self.options.no_cache || self.options.ignore_cache;
            if fresh && !ask {
                return Ok(record.base.clone());
            }
        }
        let resolve = async {
            // Without the login, nobody can ask either.
            let login = self.login_of(&chain.root, image)?;
            let (source, python) = match chain.root {
                Root::Registry { reference, .. } => {
                    let login = login.as_ref();
                    (self.resolve_reference(reference, login, image).await?, None)
                }
                Root::Debian { builder, python } => {
                    self.resolve_debian(builder, python, image).await?
                }
                Root::Scratch => (BaseSource::Scratch, None),
            };
            Ok((source, python))
        };
        let (source, python) = match (resolve.await, &known) {
            (Ok(resolved), _) => resolved,
            (Err(error), Some(record)) if !self.options.pull => {
                return Ok(self.as_it_was(record, &error));
            }
            (Err(error), _) => return Err(error),
        };
        let mut base = match &known {
            Some(record) if record.base.source == source => record.base.clone(),
            _ => self.describe_base(source, &chain.root, image).await?,
        };
        match chain.added_python() {
            None => base.python = python,
            Some(version) => {
                let libc = match &base.python {
                    Some(python) => python.libc,
                    None => self.libc_of(&base, image).await?,
                };
                match (self.find_standalone(version, libc, image).await, &known) {
                    (Ok(python), _) => base.python = Some(python),
                    (Err(error), Some(record)) if !self.options.pull => {
                        return Ok(self.as_it_was(record, &error));
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        }
        if self.options.ignore_cache {
            return Ok(base);
        }
        folder.write_record(
            &file,
            &Record {
                base: base.clone(),
                resolved: SystemTime::now(),
            },
        )?;
        Ok(base)
    }

    /// The login that an image has for the registry of its root.
    fn login_of(&self, root: &Root, image: &str) -> Result<Option<Login>, BuildError> {
        match root {
            Root::Registry { reference, secrets } => self.login(secrets, reference, image),
            _ => Ok(None),
        }
    }

    fn login(
        &self,
        secrets: &Secrets,
        reference: &str,
        image: &str,
    ) -> Result<Option<Login>, BuildError> {
        Login::of(secrets).map_err(|source| BuildError::Secret {
            image: image.to_owned(),
            step: format!("from_registry({reference})"),
            source,
        })
    }

    /// A base that is known from before, where nothing newer can be found out.
    fn as_it_was(&self, record: &Record, error: &BuildError) -> ResolvedBase {
        self.events.tell(Event::Notice {
            text: format!(
                "{}: whether its base changed cannot be found out ({}); it is used as it was",
                record.base.source.describe(),
                one_line(error)
            ),
        });
        record.base.clone()
    }

    /// What a base says of its own environment, which never changes. An image of a registry has to be here to tell it first.
    async fn describe_base(
        &self,
        source: BaseSource,
        root: &Root,
        image: &str,
    ) -> Result<ResolvedBase, BuildError> {
        let mut base = ResolvedBase {
            source,
            config: ImageConfig::default(),
            python: None,
        };
        let BaseSource::Registry { reference, digest } = &base.source else {
            return Ok(base);
        };
        let mut layer = base_layer(&base.source);
        let (folder, file) = (self.store.bases(), record(&format!("config {}", layer.id)));
        if let Some(config) = folder.read_record(&file) {
            base.config = config;
            return Ok(base);
        }
        let login = self.login_of(root, image)?;
        layer.id = self.own_id(layer.id).await?;
        base.config = self
            .told(&layer, image, async {
                let _lock = self.lock_layer(layer.id).await?;
                let progress = |done, total| self.progress(&layer, "pulling", done, total);
                let new = new_layer(&layer, None);
                let login = login.as_ref();
                let pulled = self.engine.pull(&new, reference, digest, login, &progress);
                Ok(pulled.await?)
            })
            .await?;
        if !self.options.ignore_cache {
            folder.write_record(&file, &base.config)?;
        }
        Ok(base)
    }

    async fn resolve_registry(
        &self,
        reference: &str,
        login: Option<&Login>,
    ) -> Result<BaseSource, BuildError> {
        let digest = self.engine.resolve(reference, login).await?;
        Ok(BaseSource::Registry {
            reference: reference.to_owned(),
            digest,
        })
    }

    /// An image of a registry, or what the Debian archive has for it where no registry gives it.
    async fn resolve_reference(
        &self,
        reference: &str,
        login: Option<&Login>,
        image: &str,
    ) -> Result<BaseSource, BuildError> {
        let why = match self.resolve_registry(reference, login).await {
            Err(BuildError::Engine(
                error @ (EngineError::RegistryUnreachable { .. }
                | EngineError::NoSuchImage { .. }
                | EngineError::AccessDenied { .. }),
            )) => error,
            other => return other,
        };
        match archived(reference) {
            Some((suite, python)) => {
                self.take_archive(suite, python, reference, image, &why)
                    .await
            }
            None => Err(why.into()),
        }
    }

    async fn resolve_debian(
        &self,
        builder: BuilderVersion,
        python: Option<PythonVersion>,
        image: &str,
    ) -> Result<(BaseSource, Option<StandalonePython>), BuildError> {
        let suite = builder.suite;
        let plain = format!("debian:{suite}-slim");
        let Some(python) = python else {
            let source = self.resolve_reference(&plain, None, image).await?;
            return Ok((source, None));
        };
        let reference = format!("python:{}-slim-{suite}", python.exact);
        let why = match self.resolve_registry(&reference, None).await {
            Ok(source) => return Ok((source, None)),
            Err(BuildError::Engine(
                error @ (EngineError::RegistryUnreachable { .. }
                | EngineError::NoSuchImage { .. }
                | EngineError::AccessDenied { .. }),
            )) => error,
            Err(error) => return Err(error),
        };
        if python::suite_has(suite, &python) {
            let source = self
                .take_archive(suite, true, &reference, image, &why)
                .await?;
            return Ok((source, None));
        }
        let found = self.find_standalone(python, Libc::Gnu, image).await;
        let standalone = found.map_err(|error| match error {
            BuildError::Standalone { asked, source } => BuildError::Python {
                asked,
                suite: suite.into(),
                has: python::suite_version(suite).into(),
                accepted: builder.series.contains(&python::suite_series(suite)),
                reference,
                source,
            },
            error => error,
        })?;
        let source = self.resolve_reference(&plain, None, image).await?;
        Ok((source, Some(standalone)))
    }

    /// A suite of the Debian archive in place of an image that no registry gives.
    async fn take_archive(
        &self,
        suite: &str,
        python: bool,
        reference: &str,
        image: &str,
        why: &EngineError,
    ) -> Result<BaseSource, BuildError> {
        let has = python::suite_series(suite);
        let archive = self.archive(suite)?;
        let resolved = archive
            .resolve()
            .await
            .map_err(|source| BuildError::debian(suite, source))?;
        let own_python = if python {
            format!(", with its own Python {}", python::suite_version(suite))
        } else {
            String::new()
        };
        self.events.tell(Event::Notice {
            text: format!("{image}: no registry gives `{reference}`, so Debian {suite} comes from the archive{own_python} ({})", one_line(why)),
        });
        let packages = resolved.identity();
        self.store
            .bases()
            .write_record(&package_list(&packages), &resolved)?;
        Ok(BaseSource::Archive {
            suite: suite.into(),
            packages,
            python: python.then(|| has.to_owned()),
        })
    }

    fn archive(&self, suite: &str) -> Result<Archive, BuildError> {
        let downloads = self.store.downloads();
        Archive::new(suite, architecture(), downloads.path())
            .map_err(|source| BuildError::debian(suite, source))
    }

    /// Makes the layer of a base.
    pub(super) async fn make_base(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        source: &BaseSource,
    ) -> Result<(), BuildError> {
        let new = new_layer(layer, None);
        match source {
            BaseSource::Scratch => self.engine.add_files(&new, Box::new(NoFiles)).await?,
            BaseSource::Registry { reference, digest } => {
                let progress = |done, total| self.progress(layer, "pulling", done, total);
                let login = self.login(&layer.secrets, reference, &image.name)?;
                self.engine
                    .pull(&new, reference, digest, login.as_ref(), &progress)
                    .await?;
            }
            BaseSource::Archive {
                suite, packages, ..
            } => {
                let archive = self.archive(suite)?;
                let resolved = self.package_list(suite, packages)?;
                let progress =
                    |done, total| self.progress(layer, "downloading packages", done, total);
                archive
                    .fetch(&resolved, &progress)
                    .await
                    .map_err(|source| BuildError::debian(suite, source))?;
                let mut encoder = Encoder::new("image-runtime unpacked base v1");
                let unpacked = NewLayer {
                    id: encoder.digest(&layer.id).finish(),
                    title: format!("{}, unpacked", layer.title),
                    ..new
                };
                // What stands on another is noted after it.
                self.note_passing(&unpacked.id).await?;
                self.note_passing(&layer.id).await?;
                self.progress(layer, "unpacking", 0, 0);
                let files = archive.files(&resolved);
                self.engine.add_files(&unpacked, files).await?;
                self.progress(layer, "configuring", 0, 0);
                let commands = debian::configure(&resolved);
                self.run_and_save(image, layer, unpacked.id, commands, Vec::new())
                    .await?;
            }
        }
        Ok(())
    }

    /// The packages of a base, as they were resolved.
    pub(super) fn package_list(
        &self,
        suite: &str,
        packages: &Digest,
    ) -> Result<debian::Resolved, BuildError> {
        let recorded: Option<debian::Resolved> =
            self.store.bases().read_record(&package_list(packages));
        recorded
            .filter(|resolved| resolved.identity() == *packages)
            .ok_or_else(|| BuildError::PackageList {
                suite: suite.to_owned(),
            })
    }
}

/// The suite of the Debian archive that an image of Docker Hub is made of, and whether it holds the suite's own Python.
pub(super) fn archived(reference: &str) -> Option<(&'static str, bool)> {
    let name = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let suite_of = |tag: &str| match tag {
        "bookworm" | "12" => Some("bookworm"),
        "bullseye" | "11" => Some("bullseye"),
        _ => None,
    };
    let (image, tag) = name.split_once(':')?;
    match image {
        "debian" => Some((suite_of(tag.strip_suffix("-slim").unwrap_or(tag))?, false)),
        "python" => {
            let (series, suite) = tag.split_once("-slim-")?;
            let suite = suite_of(suite)?;
            (python::suite_series(suite) == series).then_some((suite, true))
        }
        _ => None,
    }
}

/// The worker is this very program, so images have this machine's architecture, in Debian's words.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What happened and why, without what could be done about it: for notices of what went well in another way.
fn one_line(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    let happened = all.map(|error| {
        let said = error.to_string();
        let happened = said.split("\n  help: ").next().unwrap_or_default();
        happened.replace('\n', " ")
    });
    happened.collect::<Vec<_>>().join(": ")
}

/// The record of a base's packages.
pub(super) fn package_list(packages: &Digest) -> String {
    format!("packages-{packages}.json")
}
