//! An engine that only remembers: for tests of what is above the border.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    Container, ContainerSpec, Engine, EngineError, EngineInfo, Entry, Exit, FileSink, FileSource,
    Lacking, LayerInfo, LayerSink, NewLayer, PackedLayer, Swept, VolumeInfo,
};
use crate::digest::{Digest, LayerId};
use crate::secrets::Login;
use crate::spec::ImageConfig;

/// Something that was asked of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// [`Engine::add_files`], which made the layer.
    AddFiles(LayerId),
    /// [`Engine::pull`], of the reference, which made the layer.
    Pull(LayerId, String),
    /// [`Engine::start`], for the purpose.
    Start(String),
    /// [`Container::save`], which made the layer.
    Save(LayerId),
    /// [`Container::remove`], of the container for the purpose.
    Remove(String),
    /// [`Engine::remove_layer`].
    RemoveLayer(LayerId),
}

/// A layer that was made.
#[derive(Clone, Debug)]
pub(crate) struct FakeLayer {
    /// What was asked for.
    pub(crate) new: NewLayer,
    /// The files that it was made of, where it was.
    pub(crate) files: BTreeMap<PathBuf, (Entry, Vec<u8>)>,
}

/// What takes the place of the process in a container.
type Process = Box<dyn Fn(&ContainerSpec, &FakeContainer) -> Result<(), EngineError> + Send + Sync>;

/// An engine that only remembers. Cheap to clone; clones are one engine.
#[derive(Clone, Default)]
pub(crate) struct FakeEngine(Arc<State>);

#[derive(Default)]
struct State {
    calls: Mutex<Vec<Call>>,
    layers: Mutex<BTreeMap<LayerId, FakeLayer>>,
    images: Mutex<BTreeMap<String, ImageConfig>>,
    process: Mutex<Option<Process>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeEngine {
    /// All that was asked so far and changed something, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.0.calls).clone()
    }

    /// A layer, if it was made.
    pub(crate) fn layer(&self, layer: &LayerId) -> Option<FakeLayer> {
        lock(&self.0.layers).get(layer).cloned()
    }

    /// Lets the registry have an image. Until then [`EngineError::RegistryUnreachable`] is all it answers.
    pub(crate) fn publish(&self, reference: &str, config: ImageConfig) {
        lock(&self.0.images).insert(reference.to_owned(), config);
    }

    /// Calls `process` at each start, in place of starting anything: it may serve the sockets that the mounts name,
    /// end the container, or refuse the start.
    pub(crate) fn on_start(
        &self,
        process: impl Fn(&ContainerSpec, &FakeContainer) -> Result<(), EngineError>
        + Send
        + Sync
        + 'static,
    ) {
        *lock(&self.0.process) = Some(Box::new(process));
    }

    fn make(&self, new: &NewLayer, call: Call, files: BTreeMap<PathBuf, (Entry, Vec<u8>)>) {
        lock(&self.0.calls).push(call);
        lock(&self.0.layers).insert(
            new.id,
            FakeLayer {
                new: new.clone(),
                files,
            },
        );
    }

    fn missing(&self, layer: &LayerId) -> Result<(), EngineError> {
        if lock(&self.0.layers).contains_key(layer) {
            return Ok(());
        }
        Err(Lacking::missing(*layer).while_doing("using a layer"))
    }
}

impl fmt::Debug for FakeEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeEngine")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

/// Keeps all files in memory.
#[derive(Default)]
struct Memory(BTreeMap<PathBuf, (Entry, Vec<u8>)>);

impl FileSink for Memory {
    fn add(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.0.insert(entry.path.clone(), (entry.clone(), bytes));
        Ok(())
    }
}

#[async_trait]
impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        Ok(EngineInfo {
            product: "Fake Engine".to_owned(),
            version: "1".to_owned(),
            address: "here".to_owned(),
            platform: "linux/amd64".to_owned(),
            only_root: false,
            cpus: None,
            memory: None,
            facts: Vec::new(),
        })
    }

    async fn has_layer(&self, layer: &LayerId) -> Result<bool, EngineError> {
        Ok(self.layer(layer).is_some())
    }

    async fn made(&self, layer: &LayerId) -> Result<Option<String>, EngineError> {
        Ok(self.layer(layer).map(|_| "once".to_owned()))
    }

    async fn layers(&self) -> Result<Vec<LayerInfo>, EngineError> {
        let layers = lock(&self.0.layers);
        Ok(layers
            .values()
            .map(|layer| LayerInfo {
                id: layer.new.id,
                parent: layer.new.parent,
                title: layer.new.title.clone(),
                created: SystemTime::UNIX_EPOCH,
                size: layer
                    .files
                    .values()
                    .map(|(_, content)| content.len() as u64)
                    .sum(),
            })
            .collect())
    }

    async fn remove_layer(&self, layer: &LayerId) -> Result<(), EngineError> {
        let mut layers = lock(&self.0.layers);
        if layers
            .values()
            .any(|child| child.new.parent == Some(*layer))
        {
            return Err(EngineError::InUse {
                layer: layer.short(),
            });
        }
        layers.remove(layer);
        lock(&self.0.calls).push(Call::RemoveLayer(*layer));
        Ok(())
    }

    async fn add_files(
        &self,
        new: &NewLayer,
        files: Box<dyn FileSource>,
    ) -> Result<(), EngineError> {
        if let Some(parent) = &new.parent {
            self.missing(parent)?;
        }
        let mut memory = Memory::default();
        files.walk(&mut memory).map_err(EngineError::Files)?;
        self.make(new, Call::AddFiles(new.id), memory.0);
        Ok(())
    }

    async fn resolve(&self, reference: &str, _: Option<&Login>) -> Result<String, EngineError> {
        let images = lock(&self.0.images);
        if images.contains_key(reference) {
            return Ok(format!("sha256:{}", Digest::of(reference.as_bytes())));
        }
        let (reference, said) = (reference.to_owned(), "it is not published".to_owned());
        Err(match images.is_empty() {
            true => EngineError::RegistryUnreachable {
                reference,
                by_daemon: false,
                said,
            },
            false => EngineError::NoSuchImage { reference, said },
        })
    }

    async fn pull(
        &self,
        new: &NewLayer,
        reference: &str,
        _digest: &str,
        login: Option<&Login>,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<ImageConfig, EngineError> {
        self.resolve(reference, login).await?;
        progress(1, 1);
        self.make(
            new,
            Call::Pull(new.id, reference.to_owned()),
            BTreeMap::new(),
        );
        Ok(lock(&self.0.images)
            .get(reference)
            .cloned()
            .unwrap_or_default())
    }

    async fn export(
        &self,
        _: &LayerId,
        _: &dyn LayerSink,
        _: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Vec<PackedLayer>, EngineError> {
        Err(EngineError::Refused {
            doing: "exporting a layer".to_owned(),
            said: "a fake keeps no archives".to_owned(),
        })
    }

    async fn start(&self, spec: &ContainerSpec) -> Result<Box<dyn Container>, EngineError> {
        self.missing(&spec.layer)?;
        lock(&self.0.calls).push(Call::Start(spec.purpose.clone()));
        let container = FakeContainer {
            engine: self.clone(),
            purpose: spec.purpose.clone(),
            ended: watch::Sender::default(),
            output: Arc::default(),
        };
        if let Some(process) = &*lock(&self.0.process) {
            process(spec, &container)?;
        }
        Ok(Box::new(container))
    }

    async fn sweep(&self) -> Result<Swept, EngineError> {
        Ok(Swept::default())
    }

    async fn remove_caches(&self) -> Result<usize, EngineError> {
        Ok(0)
    }

    async fn volumes(&self) -> Result<Vec<VolumeInfo>, EngineError> {
        Ok(Vec::new())
    }

    async fn remove_volume(&self, _: &str) -> Result<bool, EngineError> {
        Ok(false)
    }
}

/// A container in which nothing runs. Cheap to clone; clones are one container.
#[derive(Clone, Debug)]
pub(crate) struct FakeContainer {
    engine: FakeEngine,
    purpose: String,
    ended: watch::Sender<Option<Exit>>,
    output: Arc<Mutex<Vec<String>>>,
}

impl FakeContainer {
    /// Ends the process that does not run.
    pub(crate) fn end(&self, exit: Exit) {
        self.ended.send_replace(Some(exit));
    }

    /// Lets the process print a line.
    pub(crate) fn print(&self, line: &str) {
        lock(&self.output).push(line.to_owned());
    }
}

#[async_trait]
impl Container for FakeContainer {
    fn name(&self) -> &str {
        &self.purpose
    }

    async fn wait(&self) -> Result<Exit, EngineError> {
        let mut ended = self.ended.subscribe();
        let exit = ended.wait_for(Option::is_some).await;
        Ok(exit
            .ok()
            .and_then(|exit| *exit)
            .expect("this value holds the sender"))
    }

    fn last_output(&self) -> Vec<String> {
        lock(&self.output).clone()
    }

    async fn save(&self, new: &NewLayer) -> Result<(), EngineError> {
        self.engine.make(new, Call::Save(new.id), BTreeMap::new());
        Ok(())
    }

    async fn remove(&self) -> Result<(), EngineError> {
        if self.ended.borrow().is_none() {
            self.end(Exit {
                code: 137,
                ..Exit::default()
            });
        }
        lock(&self.engine.0.calls).push(Call::Remove(self.purpose.clone()));
        Ok(())
    }
}

mod tests {
    use super::*;
    use crate::engine::{Limits, NoFiles};

    fn new(name: &str, parent: Option<LayerId>) -> NewLayer {
        NewLayer {
            id: Digest::of(name.as_bytes()),
            parent,
            title: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn the_fake_keeps_layers_and_tells_what_was_asked() {
        let engine = FakeEngine::default();
        let base = new("base", None);
        engine.add_files(&base, Box::new(NoFiles)).await.unwrap();
        engine.on_start(|_, container| {
            container.print("hello");
            container.end(Exit {
                code: 3,
                ..Exit::default()
            });
            Ok(())
        });
        let spec = ContainerSpec {
            layer: base.id,
            argv: vec!["/x".to_owned()],
            env: Vec::new(),
            workdir: "/".to_owned(),
            user: String::new(),
            mounts: Vec::new(),
            network: false,
            limits: Limits::default(),
            gpus: Vec::new(),
            purpose: "build".to_owned(),
        };
        let container = engine.start(&spec).await.unwrap();
        assert_eq!(container.wait().await.unwrap().code, 3);
        assert_eq!(container.last_output(), ["hello"]);
        let above = new("above", Some(base.id));
        container.save(&above).await.unwrap();
        container.remove().await.unwrap();
        assert!(matches!(
            engine.remove_layer(&base.id).await,
            Err(EngineError::InUse { .. })
        ));
        let build = || "build".to_owned();
        let expected = [
            Call::AddFiles(base.id),
            Call::Start(build()),
            Call::Save(above.id),
            Call::Remove(build()),
        ];
        assert_eq!(engine.calls(), expected);
        assert!(engine.layer(&above.id).unwrap().files.is_empty());
    }

    #[tokio::test]
    async fn the_registry_of_the_fake_answers_once_something_is_published() {
        let engine = FakeEngine::default();
        let unreachable = engine.resolve("debian", None).await.unwrap_err();
        assert!(matches!(
            unreachable,
            EngineError::RegistryUnreachable { .. }
        ));
        engine.publish("debian", ImageConfig::default());
        let digest = engine.resolve("debian", None).await.unwrap();
        engine
            .pull(&new("x", None), "debian", &digest, None, &|_, _| {})
            .await
            .unwrap();
        let unknown = engine.resolve("nothing", None).await.unwrap_err();
        assert!(matches!(unknown, EngineError::NoSuchImage { .. }));
    }
}
