//! Builds on an engine that only remembers.

mod ahead;
mod bases;
mod lent;

use std::sync::PoisonError;

use super::make::MOST_LOST;
use super::*;
use crate::engine::fake::{Call, FakeEngine};
use crate::engine::{EngineError, Lacking, NewLayer};
use crate::event::Event;
use crate::plan::{BaseSource, Chain, LockedBase, base_layer};
use crate::spec::ImageConfig;
use crate::spec::base::{Base, BuilderVersion, PythonVersion, debian_slim, from_registry, scratch};
use crate::spec::verb::{micromamba_install, run_commands};
use crate::spec::{ImageSpec, Place, Secret};
use crate::worker::WorkerSpec;

const fn python(series: &'static str, exact: &'static str) -> PythonVersion {
    PythonVersion {
        series,
        exact,
        pinned: false,
    }
}

const BULLSEYE: BuilderVersion = BuilderVersion {
    name: "2023.12",
    suite: "bullseye",
    pip: "23.1.2",
    uv: "0.13.9",
    conda: crate::plan::DEFAULT_CONDA,
    python: python("3.11", "3.11.0"),
    series: &["3.10", "3.11"],
};
const BOOKWORM: BuilderVersion = BuilderVersion {
    name: "2024.10",
    suite: "bookworm",
    series: &["3.11", "3.12"],
    ..BULLSEYE
};

const fn image(base: Base, line: u32) -> ImageSpec {
    ImageSpec {
        base,
        steps: &[],
        place: Place {
            file: "src/main.rs",
            line,
            column: 1,
            module: "app",
            manifest_dir: "/app",
        },
    }
}

static ALPINE: ImageSpec = image(from_registry("alpine:3.20").base(), 1);
static UBUNTU: ImageSpec = image(from_registry("ubuntu:24.04").base(), 2);
static NOTHING: ImageSpec = image(scratch().base(), 3);

/// A builder, and what it tells.
struct Trial {
    builder: Builder,
    notices: Arc<Mutex<Vec<String>>>,
}

fn trial(engine: &FakeEngine, store: &Arc<Store>, options: BuildOptions) -> Trial {
    let engine: Arc<dyn Engine> = Arc::new(engine.clone());
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let events = Events::new(move |event| {
        if let Event::Notice { text } = event {
            told.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
        }
    });
    let launcher = Launcher::new(Arc::clone(&engine), Arc::clone(store), Vec::new());
    let mut builder = Builder::new(
        engine,
        Arc::clone(store),
        Arc::new(launcher),
        events,
        Names::default(),
        options,
    );
    // Of whatever the machine has, nothing.
    builder.python_mirror = Mirror::at(store.path().join("no-pythons").to_str().unwrap());
    Trial { builder, notices }
}

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::at(folder.path()).unwrap());
    (folder, store)
}

#[tokio::test]
async fn what_is_renewed_is_what_may_bring_other_packages_today_and_all_above() {
    let (_folder, store) = store();
    for (no_cache, renew, forced) in [
        (false, false, [false, false]),
        (false, true, [false, true]),
        (true, false, [true, true]),
    ] {
        let options = BuildOptions {
            no_cache,
            renew,
            ..BuildOptions::default()
        };
        let trial = trial(&FakeEngine::default(), &store, options);
        let image = trial.builder.prepare(Image::from_spec(&COMMANDS));
        let layers = image.await.unwrap().plan.layers;
        let made: Vec<_> = layers.iter().map(|layer| layer.force).collect();
        assert_eq!(made, forced);
    }
}

#[tokio::test]
async fn who_waits_for_a_layer_is_told_whether_this_process_builds_it() {
    let (_folder, store) = store();
    let layer = crate::digest::Digest::of(b"layer");
    let waits = |here: bool| {
        let store = Arc::clone(&store);
        async move {
            let mut trial = trial(&FakeEngine::default(), &store, BuildOptions::default());
            let (tell, told) = std::sync::mpsc::channel();
            trial.builder.events = Events::new(move |event| {
                if let Event::LayerWaiting { here, .. } = event {
                    tell.send(here).unwrap();
                }
            });
            let ours = match here {
                true => Some(trial.builder.lock_layer(layer).await.unwrap()),
                false => None,
            };
            let others = match here {
                true => None,
                false => store.locks().try_lock(&format!("layer-{layer}")).unwrap(),
            };
            let waiting = trial.builder.lock_layer(layer);
            tokio::pin!(waiting);
            assert!(futures_util::poll!(&mut waiting).is_pending());
            drop((ours, others));
            waiting.await.unwrap();
            told.try_iter().collect::<Vec<_>>()
        }
    };
    assert_eq!(waits(true).await, [true]);
    assert_eq!(waits(false).await, [false]);
}

#[tokio::test]
async fn of_many_images_all_faults_are_told_with_their_places_and_the_others_are_built() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let trial = trial(&engine, &store, BuildOptions::default());
    let images = [&ALPINE, &NOTHING, &UBUNTU].map(Image::from_spec);
    let built = trial.builder.build_all(&images).await;
    let text = |index: usize| crate::client::chain(built[index].as_ref().unwrap_err());
    for (index, reference) in [(0, "alpine:3.20"), (2, "ubuntu:24.04")] {
        let (text, place) = (text(index), images[index].spec().place);
        let head = format!("image `{place}` cannot be built: ");
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains(reference), "{text}");
    }
    assert_eq!(built[1].as_ref().unwrap().built, 1);
}

static COMMANDS: ImageSpec = ImageSpec {
    steps: &[run_commands(&["true"]).step()],
    ..image(scratch().base(), 7)
};

#[tokio::test]
async fn what_another_program_takes_away_while_an_image_is_made_is_made_again() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let starts = Mutex::new(0);
    let others = engine.clone();
    engine.on_start(move |spec, _| {
        let mut starts = starts.lock().unwrap();
        *starts += 1;
        if *starts == 1 {
            pollster::block_on(others.remove_layer(&spec.layer)).unwrap();
        }
        Err(EngineError::Refused {
            doing: "starting".to_owned(),
            said: format!("no, for the {starts}. time"),
        })
    });
    let trial = trial(&engine, &store, BuildOptions::default());
    let error = trial.builder.build(Image::from_spec(&COMMANDS)).await;
    let error = crate::client::chain(&error.unwrap_err());
    assert!(error.contains("for the 2. time"), "{error}");
    let base_made = |call: &&Call| matches!(call, Call::AddFiles(_));
    assert_eq!(engine.calls().iter().filter(base_made).count(), 2);
    assert_eq!(trial.notices.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn after_a_build_old_layers_go_while_all_take_more_than_they_may() {
    let (folder, store) = store();
    let engine = FakeEngine::default();
    let old = NewLayer {
        id: crate::digest::Digest::of(b"old"),
        parent: None,
        title: "old".into(),
    };
    let file = folder.path().join("file");
    std::fs::write(&file, "0123456789").unwrap();
    let files = Tree::file(&store, &file).unwrap().source("/file");
    engine.add_files(&old, files).await.unwrap();
    for (limit, is_kept) in [(Some(10), true), (None, true), (Some(9), false)] {
        let options = BuildOptions {
            no_cache: true,
            limit,
            ..BuildOptions::default()
        };
        let trial = trial(&engine, &store, options);
        let built = trial
            .builder
            .build(Image::from_spec(&NOTHING))
            .await
            .unwrap();
        assert_eq!(engine.layer(&old.id).is_some(), is_kept, "{limit:?}");
        assert!(engine.layer(&built.layer).is_some());
    }
}

#[tokio::test]
async fn a_run_that_leaves_the_cache_as_it_was_neither_counts_in_the_limit_nor_keeps_to_it() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let old = layer(&engine, "old", None).await;
    let options = BuildOptions {
        ignore_cache: true,
        limit: Some(0),
        ..BuildOptions::default()
    };
    let passing = trial(&engine, &store, options);
    let built = passing.builder.build(Image::from_spec(&NOTHING)).await;
    let passing_layer = built.unwrap().layer;
    assert!(engine.layer(&old).is_some());
    // Nor does what it makes go while another run keeps to it.
    let shelf = Shelf::of(&engine, &store).await.unwrap();
    assert_eq!(shelf.identities(), [old]);
    passing.builder.remove_passing().await.unwrap();
    assert!(engine.layer(&passing_layer).is_none());
    assert!(engine.layer(&old).is_some());
}

#[tokio::test]
async fn layers_to_be_removed_are_remembered_until_they_are_gone() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let options = BuildOptions {
        ignore_cache: true,
        ..BuildOptions::default()
    };
    let passing = trial(&engine, &store, options);
    let images = [&NOTHING, &ALPINE].map(Image::from_spec);
    engine.publish("alpine:3.20", ImageConfig::default());
    let built = passing.builder.build_all(&images).await;
    let [nothing, alpine] = [0, 1].map(|index: usize| built[index].as_ref().unwrap().layer);
    // Of two, one is in use: the other goes.
    let user = layer(&engine, "user", Some(alpine)).await;
    passing.builder.remove_passing().await.unwrap();
    assert!(engine.layer(&nothing).is_none() && engine.layer(&alpine).is_some());
    drop(passing);
    assert_eq!(sweep_passing(&engine, &store).await.unwrap(), 1);
    assert!(engine.layer(&alpine).is_some());
    engine.remove_layer(&user).await.unwrap();
    sweep_passing(&engine, &store).await.unwrap();
    assert!(engine.layer(&alpine).is_none());
    assert!(store.left_by_passing().is_empty());
}

/// A layer that nobody builds.
async fn layer(engine: &FakeEngine, title: &str, parent: Option<LayerId>) -> LayerId {
    let new = NewLayer {
        id: crate::digest::Digest::of(title.as_bytes()),
        parent,
        title: title.into(),
    };
    let files = Box::new(crate::engine::NoFiles);
    engine.add_files(&new, files).await.unwrap();
    new.id
}

/// Makes the layers of a plan, of nothing.
async fn add_layers(engine: &FakeEngine, plan: Plan) {
    let mut below = None;
    for layer in &plan.layers {
        let new = steps::new_layer(layer, below.replace(layer.id));
        let files = Box::new(crate::engine::NoFiles);
        engine.add_files(&new, files).await.unwrap();
    }
}

/// The error of a start on a layer that is not there.
fn lost(layer: LayerId) -> EngineError {
    Lacking::missing(layer).while_doing("starting")
}

#[tokio::test]
async fn layers_that_are_lost_again_and_again_are_made_so_often_and_no_more() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    engine.on_start(|spec, _| Err(lost(spec.layer)));
    let trial = trial(&engine, &store, BuildOptions::default());
    let error = trial.builder.build(Image::from_spec(&COMMANDS)).await;
    let error = crate::client::chain(&error.unwrap_err());
    assert!(error.contains("does not exist"), "{error}");
    let started = |call: &&Call| matches!(call, Call::Start(_));
    assert_eq!(engine.calls().iter().filter(started).count(), MOST_LOST);
}

#[tokio::test]
async fn what_is_removed_before_a_lock_is_written_is_made_again() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let trial = trial(&engine, &store, BuildOptions::default());
    let image = Image::from_spec(&COMMANDS);
    let plan = trial.builder.plan(image).await.unwrap();
    let top = plan.top();
    add_layers(&engine, plan).await;
    let others = engine.clone();
    engine.on_start(move |spec, _| {
        if spec.layer != top {
            // The layer is made again, which is all that is to be seen.
            return Err(EngineError::Refused {
                doing: "starting".to_owned(),
                said: spec.purpose.clone(),
            });
        }
        pollster::block_on(others.remove_layer(&spec.layer)).unwrap();
        Err(lost(spec.layer))
    });
    let errors = trial.builder.lock(&[image]).await.unwrap_err();
    let error = crate::client::chain(&errors[0]);
    assert!(error.contains("build run_commands"), "{error}");
}

#[tokio::test]
async fn what_an_address_holds_is_asked_once_a_run_and_one_that_keeps_nothing_keeps_nothing() {
    let (folder, store) = store();
    let file = folder.path().join("one.txt");
    let url = format!("file://{}", file.display());
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let run = |ignore_cache| {
        let options = BuildOptions {
            ignore_cache,
            ..BuildOptions::default()
        };
        trial(&FakeEngine::default(), &store, options).builder
    };
    let holds = async |builder: &Builder| {
        let fetched = builder.fetched("ML", &url, None).await.unwrap();
        ["old", "new", "newer"].map(|text| Digest::of(text.as_bytes()) == fetched.digest)
    };
    let (passing, other, later) = (run(true), run(true), run(false));
    write("old");
    assert_eq!(holds(&passing).await, [true, false, false]);
    write("new");
    assert_eq!(holds(&passing).await, [true, false, false]);
    assert_eq!(holds(&later).await, [false, true, false]);
    write("newer");
    assert_eq!(holds(&other).await, [false, false, true]);
    // It is known for a day, by what a run that keeps it has found.
    assert_eq!(holds(&run(false)).await, [false, true, false]);
}

static CONDA: ImageSpec = ImageSpec {
    steps: &[micromamba_install(&["six"]).step()],
    ..image(scratch().base(), 11)
};

#[tokio::test]
async fn the_tool_of_conda_is_not_even_looked_up_where_nothing_is_to_be_made_with_it() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let trial = trial(&engine, &store, BuildOptions::default());
    let image = Image::from_spec(&CONDA);
    add_layers(&engine, trial.builder.plan(image).await.unwrap()).await;
    assert_eq!(trial.builder.build(image).await.unwrap().built, 0);
    assert!(trial.builder.conda_tool.get().is_none());
    assert_eq!(trial.notices.lock().unwrap()[..], [""; 0]);
}

/// A call's container of an image.
fn called(built: &Built) -> WorkerSpec {
    WorkerSpec {
        layer: built.layer,
        env: Vec::new(),
        workdir: "/".into(),
        user: String::new(),
        mounts: Vec::new(),
        network: true,
        limits: crate::engine::Limits::default(),
        gpus: Vec::new(),
        mask: crate::secrets::Mask::default(),
        purpose: "call f".into(),
    }
}

#[tokio::test]
async fn an_image_that_is_gone_when_a_call_begins_is_made_again() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let trial = trial(&engine, &store, BuildOptions::default());
    let built = trial.builder.build(Image::from_spec(&NOTHING)).await;
    let built = built.unwrap();
    engine.remove_layer(&built.layer).await.unwrap();
    engine.on_start(|spec, _| {
        Err(EngineError::Refused {
            doing: "starting".to_owned(),
            said: format!("{} begins", spec.purpose),
        })
    });
    // Two at once: it is made for both.
    let start = || trial.builder.start(called(&built));
    let (one, other) = tokio::join!(start(), start());
    for ended in [one, other] {
        let Err(NotStarted::Start(error)) = ended else {
            panic!("{ended:?}");
        };
        assert!(error.to_string().contains("call f begins"), "{error}");
    }
    let made = |call: &&Call| matches!(call, Call::AddFiles(_));
    assert_eq!(engine.calls().iter().filter(made).count(), 2);
    assert_eq!(trial.notices.lock().unwrap().len(), 1);
    // One that goes each time is given up.
    let others = engine.clone();
    engine.on_start(move |spec, _| {
        pollster::block_on(others.remove_layer(&spec.layer)).unwrap();
        Err(lost(spec.layer))
    });
    let ended = trial.builder.start(called(&built)).await.unwrap_err();
    assert!(matches!(ended, NotStarted::Start(_)), "{ended:?}");
    assert_eq!(trial.notices.lock().unwrap().len(), MOST_LOST);
}
