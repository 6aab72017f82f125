//! What must not be done to the machine's daemon is done to one of its own: its disk is filled, all its caches are removed.
//! Where none can be started the cases say that they did not run, or fail where they must.

use std::io::Cursor;
use std::sync::Arc;

use image_runtime::engine::docker::DockerEngine;
use image_runtime::engine::{Engine, EngineError, FileSink, MOUNT_ROOT, Mount};
use tests::daemon::Daemon;

use crate::bench::{self, Bench, idle, not_run, shell};
use crate::tree::{Walk, file};

async fn start(megabytes: u32) -> Result<(Daemon, Arc<dyn Engine>), String> {
    let daemon = Daemon::start(megabytes)?;
    let engine = DockerEngine::connect_to(&daemon.address()).await;
    let engine = engine.map_err(|error| error.to_string())?;
    Ok((daemon, Arc::new(engine)))
}

async fn on_own_daemon(case: &str, megabytes: u32, body: impl AsyncFnOnce(&Bench)) {
    match start(megabytes).await {
        Ok((_daemon, engine)) => bench::run(engine, body).await,
        Err(reason) => not_run(case, &reason),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_no_layer() {
    on_own_daemon("a_full_disk_is_told", 48, async |bench| {
        let base = bench.layer(None, [file("x", "1")]).await.unwrap();
        for parent in [None, Some(base)] {
            let new = bench.new_layer(parent);
            let too_much = Walk(|sink: &mut dyn FileSink| {
                for number in 0..100 {
                    let item = file(&format!("f{number}"), vec![b'x'; 1_000_000]);
                    sink.add(&item.entry, &mut Cursor::new(&item.content))?;
                }
                Ok(())
            });
            let error = bench
                .engine
                .add_files(&new, Box::new(too_much))
                .await
                .unwrap_err();
            assert!(matches!(error, EngineError::NoSpace { .. }), "{error:?}");
            assert!(error.to_string().contains("`prune`"), "{error}");
            assert!(!bench.engine.has_layer(&new.id).await.unwrap());
        }
        // And the space is free again.
        bench
            .layer(None, [file("y", vec![b'y'; 5_000_000])])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_are_removed_unless_they_are_in_use() {
    on_own_daemon("caches_are_removed", 200, async |bench| {
        let items = crate::tree::small_system().0;
        let system = bench.layer(None, items).await.unwrap();
        let cache = |name: &str| Mount::Cache {
            name: name.to_owned(),
            target: format!("{MOUNT_ROOT}/cache"),
        };
        let mut used = idle(system, "echo x > /dev/image-runtime/cache/x");
        used.mounts = vec![cache("used")];
        let mut unused = shell(system, "echo x > /dev/image-runtime/cache/x");
        unused.mounts = vec![cache("unused")];
        let container = bench.start_idle(&used).await;
        bench.run(&unused).await;
        assert_eq!(bench.engine.remove_caches().await.unwrap(), 1);
        let mut look = shell(
            system,
            "cat /dev/image-runtime/cache/x 2> /dev/null || echo empty",
        );
        for (name, content) in [("used", "x"), ("unused", "empty")] {
            look.mounts = vec![cache(name)];
            assert_eq!(bench.run(&look).await.1, [content]);
        }
        container.remove().await.unwrap();
        assert_eq!(bench.engine.remove_caches().await.unwrap(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_is_told() {
    match start(100).await {
        Ok((daemon, engine)) => {
            let layer = bench::new_identity();
            assert!(!engine.has_layer(&layer).await.unwrap());
            drop(daemon);
            let error = engine.has_layer(&layer).await.unwrap_err();
            assert!(
                matches!(error, EngineError::Unreachable { .. }),
                "{error:?}"
            );
        }
        Err(reason) => not_run("a_daemon_that_goes_away_is_told", &reason),
    }
}
