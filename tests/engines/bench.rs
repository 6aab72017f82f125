//! What a case works with: an engine, layers that go when the case ends, and a shell inside containers.

use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use image_runtime::digest::{Digest, LayerId};
use image_runtime::engine::docker::DockerEngine;
use image_runtime::engine::embedded::EmbeddedEngine;
use image_runtime::engine::{
    Container, ContainerSpec, Engine, EngineError, Exit, FileSource, Limits, NewLayer,
};
use image_runtime::store::Store;
use tokio::sync::OnceCell;

use crate::tree::{Item, Tree, small_system};

/// An engine for one case.
pub(crate) struct Bench {
    pub(crate) engine: Arc<dyn Engine>,
    system: OnceCell<LayerId>,
    layers: Mutex<Vec<LayerId>>,
}

/// The engine of that name, connected.
pub(crate) async fn connect(engine: &str) -> Result<Arc<dyn Engine>, EngineError> {
    match engine {
        "docker" => Ok(Arc::new(DockerEngine::connect().await?)),
        "embedded" => Ok(Arc::new(
            EmbeddedEngine::open(&Store::open().unwrap()).await?,
        )),
        other => panic!("the suite knows no engine `{other}`"),
    }
}

/// Runs a case on the engine of that name.
pub(crate) async fn on(engine: &str, case: &str, body: impl AsyncFnOnce(&Bench)) {
    match connect(engine).await {
        Ok(engine) => run(engine, body).await,
        Err(error) => not_run(&format!("{engine}::{case}"), &error.to_string()),
    }
}

/// Runs a case, and removes what it made however it ends.
pub(crate) async fn run(engine: Arc<dyn Engine>, body: impl AsyncFnOnce(&Bench)) {
    let bench = Bench {
        engine,
        system: OnceCell::new(),
        layers: Mutex::default(),
    };
    let outcome = AssertUnwindSafe(body(&bench)).catch_unwind().await;
    bench.clean().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Says that a case did not run; where engines are required, that is a failure.
pub(crate) fn not_run(case: &str, reason: &str) {
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    let required = set("CI", "true") || set("IMAGE_TESTS_REQUIRE_ENGINE", "1");
    assert!(!required, "{case} could not run: {reason}");
    say(&format!("NOT RUN: {case}: {reason}"));
}

/// Says something also where a case does not fail: what `eprintln` prints, the test harness keeps to itself then.
pub(crate) fn say(line: &str) {
    std::io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// An identity that nobody has used.
pub(crate) fn new_identity() -> LayerId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Digest::of(format!("{} {} {count}", std::process::id(), now.as_nanos()).as_bytes())
}

impl Bench {
    /// The layer of the small root file system. It stays: the next run of the suite finds it.
    pub(crate) async fn system(&self) -> LayerId {
        *self.system.get_or_init(|| self.make_system()).await
    }

    async fn make_system(&self) -> LayerId {
        let tree = small_system();
        let mut digest = image_runtime::digest::Encoder::new("small system");
        for item in &tree.0 {
            digest
                .text(&format!("{:?}", item.entry))
                .bytes(&item.content);
        }
        let id = digest.finish();
        // Test runners may use a process for every case.
        let lock = File::create(std::env::temp_dir().join("image-runtime-tests.lock")).unwrap();
        lock.lock().unwrap();
        if !self.engine.has_layer(&id).await.unwrap() {
            let new = NewLayer {
                id,
                parent: None,
                title: "small system of the tests".to_owned(),
            };
            self.engine.add_files(&new, Box::new(tree)).await.unwrap();
        }
        id
    }

    /// A layer to be made; it is removed when the case ends.
    pub(crate) fn new_layer(&self, parent: Option<LayerId>) -> NewLayer {
        let id = new_identity();
        self.layers.lock().unwrap().push(id);
        NewLayer {
            id,
            parent,
            title: "layer of a test".to_owned(),
        }
    }

    /// Makes a layer of some entries.
    pub(crate) async fn layer(
        &self,
        parent: Option<LayerId>,
        items: impl Into<Vec<Item>>,
    ) -> Result<LayerId, EngineError> {
        self.layer_of(parent, Tree(items.into())).await
    }

    /// Makes a layer of any source.
    pub(crate) async fn layer_of(
        &self,
        parent: Option<LayerId>,
        source: impl FileSource + 'static,
    ) -> Result<LayerId, EngineError> {
        let new = self.new_layer(parent);
        self.engine
            .add_files(&new, Box::new(source))
            .await
            .map(|()| new.id)
    }

    /// Runs a shell command in a layer and gives what it printed; it must end well.
    pub(crate) async fn sh(&self, layer: LayerId, command: &str) -> Vec<String> {
        let (exit, lines) = self.run(&shell(layer, command)).await;
        assert_eq!(exit.code, 0, "`{command}` printed {lines:?}");
        lines
    }

    /// Runs a container to its end.
    pub(crate) async fn run(&self, spec: &ContainerSpec) -> (Exit, Vec<String>) {
        let container = self.engine.start(spec).await.unwrap();
        let exit = within(container.wait()).await.unwrap();
        let lines = container.last_output();
        container.remove().await.unwrap();
        (exit, lines)
    }

    /// Starts a container whose command prints `ready` and then waits to be ended.
    pub(crate) async fn start_idle(&self, spec: &ContainerSpec) -> Box<dyn Container> {
        let container = self.engine.start(spec).await.unwrap();
        within(async {
            while !container.last_output().iter().any(|line| line == "ready") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        container
    }

    /// Whether containers have no user but root, as the engine says of itself.
    pub(crate) async fn has_only_root(&self) -> bool {
        self.engine.info().await.unwrap().only_root
    }

    /// Whether the engine says that it can keep the limits of a container. Where it cannot, it must not start one.
    pub(crate) async fn keeps_limits(&self, spec: &ContainerSpec) -> bool {
        let facts = self.engine.info().await.unwrap().facts;
        let limits = [
            ("memory limit", spec.limits.memory.is_some()),
            ("pids limit", spec.limits.pids.is_some()),
            ("cpu limit", spec.limits.cpus.is_some()),
        ];
        let reason = facts.iter().find(|(name, value)| {
            limits.contains(&(name, true)) && value.contains("cannot be kept")
        });
        let Some((_, reason)) = reason else {
            return true;
        };
        let error = self.engine.start(spec).await.unwrap_err();
        assert!(matches!(error, EngineError::Limit { .. }), "{error:?}");
        assert_eq!(error.to_string(), *reason);
        say(&format!("checked that it is refused: {error}"));
        false
    }

    /// Removes a layer as soon as nothing holds it.
    pub(crate) async fn until_removed(&self, layer: &LayerId) {
        within(async {
            while let Err(error) = self.engine.remove_layer(layer).await {
                assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    async fn clean(&self) {
        let layers = std::mem::take(&mut *self.layers.lock().unwrap());
        // Children before their parents.
        for layer in layers.iter().rev() {
            if let Err(error) = self.engine.remove_layer(layer).await {
                say(&format!("cannot clean up: {error}"));
            }
        }
    }
}

/// Until this is dropped, no other case removes what dead programs left, in whatever process.
pub(crate) fn lock_sweeping() -> File {
    let lock = std::env::temp_dir().join("image-runtime-tests-sweeping.lock");
    let lock = File::create(lock).unwrap();
    lock.lock().unwrap();
    lock
}

/// A container that runs a shell command as root, without network.
pub(crate) fn shell(layer: LayerId, command: &str) -> ContainerSpec {
    ContainerSpec {
        layer,
        argv: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
        env: vec![("PATH".to_owned(), "/usr/bin".to_owned())],
        workdir: "/".to_owned(),
        user: String::new(),
        mounts: Vec::new(),
        network: false,
        limits: Limits::default(),
        gpus: Vec::new(),
        purpose: "test".to_owned(),
    }
}

/// A command that prints `ready` when it has done `command`, and then waits to be ended.
pub(crate) fn idle(layer: LayerId, command: &str) -> ContainerSpec {
    shell(layer, &format!("{command}\necho ready; exec sleep 1000"))
}

/// Fails a case that would wait for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it takes no minute")
}
