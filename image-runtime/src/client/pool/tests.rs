//! Pools on an engine that starts nothing: whatever goes wrong, nobody waits for ever.

use std::time::Duration;

use super::super::inbox::Receiver;
use super::super::job::{Nested, Target, Wanting};
use super::super::{CallError, CallErrorKind};
use super::*;
use crate::build::BuildOptions;
use crate::digest::Digest;
use crate::engine::fake::FakeEngine;
use crate::engine::{ContainerSpec, Engine, EngineError, NewLayer, NoFiles};
use crate::registry::Names;
use crate::spec::{FunctionSpec, Invoke, JsonBridge, Place as CodePlace, Retries};
use crate::store::Store;
use crate::worker::Launcher;

static FUNCTION: FunctionSpec = FunctionSpec {
    name: "f",
    class: None,
    place: CodePlace {
        file: "src/main.rs",
        line: 1,
        column: 1,
        module: "app",
        manifest_dir: "/app",
    },
    image: None,
    options: FunctionOptions::new(),
    parameters: &[],
    result: "()",
    invoke: Invoke::Blocking(|_| Ok(Vec::new())),
    json: JsonBridge {
        encode_arguments: |_| Ok(Vec::new()),
        decode_result: |_| Ok(serde_json::Value::Null),
    },
};

/// A pool of two containers at most; `start` is done in place of each start.
async fn pool(
    start: impl Fn(&ContainerSpec) -> Result<(), EngineError> + Send + Sync + 'static,
) -> (tempfile::TempDir, Pools, Arc<Pool>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::at(folder.path()).unwrap());
    let fake = FakeEngine::default();
    let new = NewLayer {
        id: Digest::of(b"layer"),
        parent: None,
        title: String::new(),
    };
    fake.add_files(&new, Box::new(NoFiles)).await.unwrap();
    fake.on_start(move |spec, _| start(spec));
    let engine: Arc<dyn Engine> = Arc::new(fake);
    let launcher = Launcher::new(Arc::clone(&engine), Arc::clone(&store), Vec::new());
    let builder = Builder::new(
        engine,
        Arc::clone(&store),
        Arc::new(launcher),
        Events::silent(),
        Names::default(),
        BuildOptions::default(),
    );
    let gpus = Arc::new(Gpus::new(store.gpus().path().to_owned()));
    let pools = Pools::new(Arc::new(builder), gpus, Events::silent(), None);
    let options = FunctionOptions {
        max_containers: Some(2),
        ..FunctionOptions::new()
    };
    let key = PoolKey {
        layer: new.id,
        env: Vec::new(),
        workdir: "/".to_owned(),
        user: String::new(),
        mounts: Vec::new(),
        network: true,
        limits: Limits::default(),
        gpu: &[],
        mask: Mask::default(),
        size: Size::of(&options),
        owner: None,
        enter: None,
    };
    let pool = pools.get(&mut pools.lock().pools, key);
    (folder, pools, pool)
}

/// Calls the function, inside so many others.
async fn call(pool: &Arc<Pool>, depth: usize) -> Result<Vec<u8>, CallError> {
    let target = Target {
        function: &FUNCTION,
        pool: Arc::clone(pool),
        timeout: None,
        retries: None,
        nested: Nested { name: 0, depth },
    };
    let answer = Arc::new(target).call(Vec::new());
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
    answer.expect("it would wait for ever")
}

fn no_room() -> EngineError {
    EngineError::Refused {
        doing: "starting a container".to_owned(),
        said: "there is no room".to_owned(),
    }
}

#[tokio::test]
async fn a_panic_while_a_container_is_started_ends_the_calls_that_wait_for_it() {
    let (_folder, _pools, pool) = pool(|_| panic!("as where no thread can be started")).await;
    // Nor is what was to be started taken for something that is there.
    for _ in 0..3 {
        let error = call(&pool, 0).await.unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Engine);
        assert!(
            error.to_string().contains("this program panicked"),
            "{error}"
        );
    }
    assert!(!pool.lock().is_in_use());
}

#[tokio::test]
async fn a_call_that_is_lost_on_its_way_ends() {
    let (_folder, _pools, pool) = pool(|_| Ok(())).await;
    let target = Arc::new(Target {
        function: &FUNCTION,
        pool,
        timeout: None,
        retries: None,
        nested: Nested::default(),
    });
    let receiver = Receiver::default();
    drop(Job::new(
        &target,
        Wanting::alone(Vec::new(), &receiver, false),
    ));
    let error = receiver.end(|| {}).await.unwrap_err();
    assert!(
        error.to_string().contains("this program panicked"),
        "{error}"
    );
}

#[tokio::test]
async fn where_all_that_runs_waits_for_calls_that_no_container_can_be_started_for_these_fail() {
    let (_folder, _pools, pool) = pool(|_| Err(no_room())).await;
    let (lane, _bell) = pool.lock().add_lane(0);
    // What runs waits for a call that it has made. Another one has time until that has ended.
    pool.suspend();
    let other = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { call(&pool, 0).await }
    });
    let error = call(&pool, 1).await.unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
    assert!(!other.is_finished());
    pool.resume();
    pool.lock().lanes.retain(|other| other.id != lane);
    pool.begin();
    let error = other.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
}

#[tokio::test]
async fn what_is_to_be_made_once_more_is_taken_with_what_waits() {
    let (_folder, pools, pool) = pool(|_| Ok(())).await;
    let target = Arc::new(Target {
        function: &FUNCTION,
        pool,
        timeout: None,
        retries: Some(Retries::times(1)),
        nested: Nested::default(),
    });
    let receiver = Receiver::default();
    let job = Job::new(&target, Wanting::alone(Vec::new(), &receiver, false));
    job.end(Err(CallError::new(CallErrorKind::Died, "the first time")));
    let waiting = pools.take_waiting(|name| name == "f");
    assert_eq!(waiting.len(), 1);
    assert!(pools.take_waiting(|_| true).is_empty());
}
