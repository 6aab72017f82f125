//! The host: this process, with its engine, its store, its images and its warm workers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use super::CallErrorKind;
use super::class::Callee;
use super::control;
use super::error::CallError;
use super::job::{Target, Wishes};
use super::limits;
use super::pool::{Enter, Found, PoolKey, Pools, Size};
use super::supervisor::Role;
use super::timings::Timings;
use crate::build::{BuildOptions, Builder, Built};
use crate::engine::{self, Engine, Limits};
use crate::event::{Event, Events};
use crate::gpu::{self, Gpus};
use crate::plan::Explained;
use crate::registry::Program;
use crate::secrets::{self, Mask};
use crate::spec::{FunctionOptions, FunctionSpec, Image};
use crate::store::{self, Bytes, Log, Store};
use crate::worker::{Launcher, Reaper, Worker, WorkerSpec};

/// What this process was started for.
#[derive(Clone, Debug)]
pub(crate) struct HostSettings {
    /// Arguments that bring this program to serving as a worker; `None` where nothing in it does.
    pub(crate) worker_arguments: Option<Vec<String>>,
    /// Who is told what happens.
    pub(crate) events: Events,
    /// Whether it is to be measured where the time of calls goes.
    pub(crate) is_timed: bool,
    /// How images are built.
    pub(crate) build: BuildOptions,
    /// Who keeps the containers of this program's functions.
    pub(crate) kept: Kept,
}

/// Who keeps the containers of this program's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// This process, for itself.
    Here,
    /// This process, also for others.
    ForOthers(Role),
    /// A supervisor, where there is one.
    Elsewhere(Role),
}

/// What a process knows that a supervisor may keep containers for.
#[derive(Clone, Debug)]
pub(super) struct Supervised {
    pub(super) role: Role,
    pub(super) events: Events,
    /// Those by which this program becomes a worker or a supervisor.
    pub(super) arguments: Vec<String>,
}

static SETTINGS: OnceLock<HostSettings> = OnceLock::new();
static HOST: OnceCell<Arc<Host>> = OnceCell::const_new();

/// This process as the one that makes calls.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) store: Arc<Store>,
    pub(super) builder: Arc<Builder>,
    program: &'static Program,
    pub(crate) events: Events,
    pub(super) pools: Pools,
    pub(super) launcher: Arc<Launcher>,
    gpus: Arc<Gpus>,
    limits: limits::Seen,
    timings: Option<Arc<Timings>>,
    can_serve: bool,
    kept: Kept,
}

impl Host {
    /// Says how this process makes calls. Only the first word counts: tests of one program say it again and again.
    pub(crate) fn set(settings: HostSettings) {
        let _ = SETTINGS.set(settings);
    }

    /// The host, made when it is first asked for. What failed then is tried again the next time.
    pub(crate) async fn get() -> Result<Arc<Self>, CallError> {
        HOST.get_or_try_init(Self::open).await.cloned()
    }

    /// Which supervisor may keep the containers of this process; nothing where it keeps them itself.
    pub(super) fn supervised() -> Option<Supervised> {
        let settings = SETTINGS.get()?;
        let Kept::Elsewhere(role) = settings.kept else {
            return None;
        };
        Some(Supervised {
            role,
            events: settings.events.clone(),
            arguments: settings.worker_arguments.clone()?,
        })
    }

    /// Where the time of this process's calls went, where that was measured.
    pub(crate) fn timings() -> Option<Arc<Timings>> {
        HOST.get()?.timings.clone()
    }

    async fn open() -> Result<Arc<Self>, CallError> {
        let mut settings = SETTINGS.get().cloned().unwrap_or_else(|| HostSettings {
            worker_arguments: None,
            events: Events::silent(),
            is_timed: false,
            build: BuildOptions::default(),
            kept: Kept::Here,
        });
        let program = Program::get()
            .map_err(|error| CallError::new(CallErrorKind::Build, error.to_string()))?;
        let store = Store::open()
            .map_err(|error| CallError::new(CallErrorKind::Engine, super::error::chain(&error)))?;
        let limit = store::limit()
            .map_err(|error| CallError::new(CallErrorKind::Engine, error.to_string()))?;
        settings.build.limit = limit.map(|Bytes(most)| most);
        let store = Arc::new(store);
        settings.events = kept(settings.events, store.log());
        settings.events.tell(Event::Begun);
        // A program that would not become one is started by nobody.
        let arguments = settings.worker_arguments.as_deref();
        let reaper = arguments.map(|arguments| Reaper::start(&store, arguments));
        let engine = engine::select(&store)
            .await
            .map_err(|error| CallError::engine(&error))?
            .engine;
        // From here on this program may leave things.
        if let Some(reaper) = reaper {
            reaper.is_there();
        }
        let host = Arc::new(Self::new(settings, program, store, engine));
        control::offer(&host);
        Ok(host)
    }

    fn new(
        settings: HostSettings,
        program: &'static Program,
        store: Arc<Store>,
        engine: Arc<dyn Engine>,
    ) -> Self {
        let can_serve = settings.worker_arguments.is_some();
        let launcher = Launcher::new(
            Arc::clone(&engine),
            Arc::clone(&store),
            settings.worker_arguments.unwrap_or_default(),
        );
        let launcher = Arc::new(launcher.timed(settings.is_timed));
        let timings = settings.is_timed.then(Arc::<Timings>::default);
        let gpus = Arc::new(Gpus::new(store.gpus().path().to_owned()));
        let builder = Arc::new(Builder::new(
            Arc::clone(&engine),
            Arc::clone(&store),
            Arc::clone(&launcher),
            settings.events.clone(),
            program.names(),
            settings.build,
        ));
        Self {
            pools: Pools::new(
                Arc::clone(&builder),
                Arc::clone(&gpus),
                settings.events.clone(),
                timings.clone(),
            ),
            builder,
            timings,
            launcher,
            gpus,
            limits: limits::Seen::default(),
            events: settings.events,
            engine,
            store,
            program,
            can_serve,
            kept: settings.kept,
        }
    }

    /// For whom this process keeps containers, where not only for itself.
    pub(super) fn keeps_for(&self) -> Option<Role> {
        match self.kept {
            Kept::ForOthers(role) => Some(role),
            Kept::Here | Kept::Elsewhere(_) => None,
        }
    }

    /// What is deployed by this process.
    fn deployed_as(&self) -> Option<&'static str> {
        self.keeps_for().and_then(Role::app)
    }

    /// The image a function runs in.
    pub(crate) fn image_of(&self, function: &FunctionSpec) -> Image {
        self.program.image_of(function)
    }

    /// The name of the image of a function, where there is one of that name.
    pub(super) fn image_name_of(&self, function: &str) -> Option<String> {
        let function = self.program.function(function)?;
        Some(self.program.names().name(self.image_of(function)))
    }

    /// All functions of this program.
    pub(super) fn functions(&self) -> impl Iterator<Item = &'static FunctionSpec> {
        self.program.functions()
    }

    /// What the keywords of a function say.
    pub(super) fn options_of(&self, function: &FunctionSpec) -> FunctionOptions {
        self.program.options_of(function)
    }

    /// Whether the secrets of a function are there.
    pub(super) fn has_secrets_of(&self, function: &FunctionSpec) -> bool {
        secrets::values(&self.program.secrets_of(function)).is_ok()
    }

    /// The function of a name.
    pub(super) fn function(&self, name: &str) -> Result<&'static FunctionSpec, CallError> {
        self.program.function(name).ok_or_else(|| {
            let text = format!("this program has no function `{name}`");
            CallError::new(CallErrorKind::Engine, text)
        })
    }

    /// Builds what is missing of an image.
    pub(crate) async fn build(&self, image: Image) -> Result<Arc<Built>, CallError> {
        self.check_can_serve()?;
        self.builder
            .build(image)
            .await
            .map_err(|error| CallError::build(&error))
    }

    /// An image as a Dockerfile.
    pub(crate) async fn render(&self, image: Image) -> Result<String, CallError> {
        let rendered = self.builder.render(image).await;
        rendered.map_err(|error| CallError::build(&error))
    }

    /// Builds what is missing of several images, and tells of each that cannot be built why.
    pub(crate) async fn build_all(&self, images: &[Image]) -> Vec<Result<Built, CallError>> {
        if let Err(error) = self.check_can_serve() {
            return images.iter().map(|_| Err(error.clone())).collect();
        }
        let built = self.builder.build_all(images).await.into_iter();
        built
            .map(|built| built.map_err(|error| CallError::build(&error)))
            .collect()
    }

    /// Why each layer of an image would be built now, or need not be.
    pub(crate) async fn explain(&self, image: Image) -> Result<Vec<Explained>, CallError> {
        let explained = self.builder.explain(image).await;
        explained.map_err(|error| CallError::build(&error))
    }

    /// Builds what is missing of images, and answers where `image.lock` is and what it is to say.
    pub(crate) async fn lock(&self, images: &[Image]) -> Result<(PathBuf, String), Vec<CallError>> {
        self.check_can_serve().map_err(|error| vec![error])?;
        let locked = self.builder.lock(images).await;
        let text =
            locked.map_err(|faults| faults.iter().map(CallError::build).collect::<Vec<_>>())?;
        Ok((self.builder.lock_path(), text))
    }

    /// Removes what this run made, where it leaves the cache as it was.
    pub(crate) async fn remove_passing(&self) -> Result<(), CallError> {
        let removed = self.builder.remove_passing().await;
        removed.map_err(|error| CallError::engine(&error))
    }

    /// Makes a function ready to be called: its image is there, and it knows its pool.
    pub(super) async fn target(
        &self,
        callee: &Callee,
        wishes: Wishes,
    ) -> Result<Arc<Target>, CallError> {
        let function = callee.function;
        let options = self.program.options_of(function);
        let found = self.find(function, &options).await?;
        let key = |found: &Found| Self::pool_key(callee, &options, found);
        Ok(Arc::new(Target {
            function,
            pool: self.pools.of(callee, found, key)?,
            timeout: wishes.timeout.or(options.timeout),
            retries: wishes.retries.or(options.retries),
            nested: wishes.nested,
        }))
    }

    /// Finds what the containers of a function depend on. Its image is built where it has to be.
    async fn find(
        &self,
        function: &'static FunctionSpec,
        options: &FunctionOptions,
    ) -> Result<Found, CallError> {
        self.check_can_serve()?;
        // Before anything runs that would be of no use without these.
        let mut size = Size::of(options);
        if !options.gpu.is_empty() {
            let inventory = self.gpus.inventory().await;
            gpu::check(options.gpu, inventory)
                .map_err(|reason| CallError::no_such_gpu(function.name, &reason))?;
            if let Some(most) = gpu::most_containers(options.gpu, inventory) {
                size.max = size.max.min(most);
                size.min = size.min.min(most);
                size.is_bound = true;
            }
        }
        let (engine, events) = (&*self.engine, &self.events);
        self.limits
            .look_at(function.name, options, engine, events)
            .await;
        Ok(Found {
            secrets: secrets::values(&self.program.secrets_of(function))
                .map_err(|error| CallError::secret(function.name, &error, self.deployed_as()))?,
            volumes: super::volumes::mounts(function, &self.program.volumes_of(function))?,
            built: self.build(self.image_of(function)).await?,
            size,
        })
    }

    /// What the containers of a function have in common.
    fn pool_key(
        callee: &Callee,
        options: &FunctionOptions,
        found: &Found,
    ) -> Result<PoolKey, CallError> {
        let Callee { function, instance } = callee;
        let Found {
            built,
            secrets,
            volumes,
            size,
        } = found;
        let mut config = built.config.clone();
        for (name, value) in options.env {
            config.set(name, value);
        }
        for (name, value) in secrets.env() {
            config.set(name, value);
        }
        let own = options.concurrency.is_some()
            || options.min_containers.is_some()
            || options.max_containers.is_some()
            || options.idle_timeout.is_some();
        let enter = match instance {
            None => None,
            Some(instance) => Some(Enter::new(instance, options.timeout)?),
        };
        Ok(PoolKey {
            layer: built.layer,
            env: config.env,
            workdir: config.workdir,
            user: config.user,
            mounts: built.added.iter().chain(volumes).cloned().collect(),
            network: options.network.unwrap_or(true),
            limits: Limits {
                memory: options.memory,
                cpus: options.cpu,
                pids: None,
            },
            gpu: options.gpu,
            mask: secrets.mask(),
            size: *size,
            owner: own.then_some(function.name).filter(|_| enter.is_none()),
            enter,
        })
    }

    /// Starts a worker in a container of an image that serves no calls, for somebody to look around in it.
    pub(crate) async fn start_in_image(&self, image: Image) -> Result<Worker, CallError> {
        let built = self.build(image).await?;
        let config = built.config.clone();
        let spec = WorkerSpec {
            layer: built.layer,
            env: config.env,
            workdir: config.workdir,
            user: config.user,
            mounts: built.added.clone(),
            network: true,
            limits: Limits::default(),
            gpus: Vec::new(),
            mask: Mask::default(),
            purpose: format!("shell {}", self.program.names().name(image)),
        };
        let started = self.builder.start(spec).await;
        started.map_err(|error| CallError::not_started(&error))
    }

    /// The same in a container as those of a function.
    pub(crate) async fn start_as(
        &self,
        function: &'static FunctionSpec,
    ) -> Result<Worker, CallError> {
        let options = self.program.options_of(function);
        let found = self.find(function, &options).await?;
        let key = Self::pool_key(&Callee::from(function), &options, &found)?;
        let claimed = key.claim(&self.gpus, &self.events, function.name, || false);
        let claim = claimed
            .await
            .map_err(|error| error.expect("it is wanted until it is there"))?;
        let mut spec = key.worker(format!("shell {}", function.name));
        spec.gpus = claim
            .as_ref()
            .map_or_else(Vec::new, |claim| claim.gpus.clone());
        let started = self.builder.start(spec).await;
        let mut worker = started.map_err(|error| CallError::not_started(&error))?;
        worker.keep(claim);
        Ok(worker)
    }

    fn check_can_serve(&self) -> Result<(), CallError> {
        if self.can_serve {
            return Ok(());
        }
        Err(CallError::new(
            CallErrorKind::Engine,
            "this program cannot be started as a worker: nothing in it would serve calls\n  \
             help: put `#[app::main]` on `main`; in tests, `#[app::test]` in place of `#[test]`",
        ))
    }
}

/// Events of which what functions print is kept, too.
fn kept(events: Events, log: Log) -> Events {
    let was_told = AtomicBool::new(false);
    Events::new(move |event| {
        if let Event::FunctionOutput {
            function,
            container,
            line,
        } = &event
            && let Err(error) = log.keep(function, container, line)
            && !was_told.swap(true, Ordering::Relaxed)
        {
            let text = format!("`logs` will not show what functions print: {error}");
            events.tell(Event::Notice { text });
        }
        events.tell(event);
    })
}
