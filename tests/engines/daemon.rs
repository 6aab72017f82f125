//! What must not be done to the machine's daemon is done to one of its own: its disk is filled, all its caches are removed.
//! Where none can be started the cases say that they did not run, or fail where they must.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use image_runtime::engine::docker::DockerEngine;
use image_runtime::engine::{Access, Engine, EngineError, FileSink, MOUNT_ROOT, Mount};
use tests::daemon::{Daemon, View};

use crate::bench::{self, Bench, idle, not_run, shell};
use crate::suite::exporting::Kept;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_does_not_see_is_sent_to_it() {
    let here = tempfile::tempdir().unwrap();
    let daemon = match Daemon::elsewhere(300, here.path(), View::Nothing) {
        Ok(daemon) => daemon,
        Err(reason) => return not_run("what_a_daemon_does_not_see", &reason),
    };
    let engine = DockerEngine::connect_to(&daemon.address()).await.unwrap();
    bench::run(Arc::new(engine), async |bench| {
        let path = |name: &str| here.path().join(name);
        for name in ["read", "read/deep", "passing", "returned", "empty"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("file"), "a file").unwrap();
        symlink("file", path("linked")).unwrap();
        fs::write(path("read/one"), "one").unwrap();
        fs::set_permissions(path("read/one"), PermissionsExt::from_mode(0o640)).unwrap();
        fs::hard_link(path("read/one"), path("read/deep/same")).unwrap();
        symlink("deep/same", path("read/link")).unwrap();
        UnixListener::bind(path("read/socket")).unwrap();
        fs::write(path("passing/given"), "given").unwrap();
        fs::write(path("returned/given"), "before").unwrap();
        fs::set_permissions(path("empty"), PermissionsExt::from_mode(0o1777)).unwrap();
        let mount = |name: &str, target: &str, access| Mount::Local {
            source: path(name),
            target: target.to_owned(),
            access,
        };
        let script = "cat file; echo; cat /read/link; echo; stat -c %a /read/one; stat -c %a empty; \
                      [ /read/one -ef /read/deep/same ] && echo same; [ -e /read/socket ] || echo no socket; \
                      (echo x > /read/new) 2> /dev/null || echo refused; echo x > passing/new; cat passing/given; echo; \
                      cat linked; echo; echo x > linked; \
                      echo x > cache/x; echo after > returned/given; mkdir returned/deep; echo x > returned/deep/x; echo new > returned/new";
        let mut spec = shell(bench.system().await, &format!("cd {MOUNT_ROOT}; {script}"));
        let below = |name: &str| format!("{MOUNT_ROOT}/{name}");
        spec.mounts = vec![
            mount("file", &below("file"), Access::Read),
            mount("read", "/read", Access::Read),
            mount("passing", &below("passing"), Access::Passing),
            mount("returned", &below("returned"), Access::Returned),
            mount("empty", &below("empty"), Access::Passing),
            mount("linked", &below("linked"), Access::Passing),
            Mount::Cache {
                name: "tests".to_owned(),
                target: below("cache"),
            },
        ];
        let (exit, lines) = bench.run(&spec).await;
        assert_eq!(exit.code, 0, "{lines:?}");
        let expected = [
            "a file", "one", "640", "1777", "same", "no socket", "refused", "given", "a file",
        ];
        assert_eq!(lines, expected);
        // Here there is what was to come back, and nothing else is changed.
        let names = |name: &str| {
            let listed = fs::read_dir(path(name)).unwrap();
            let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names("returned"), ["given", "new"]);
        assert_eq!(fs::read_to_string(path("returned/given")).unwrap(), "after\n");
        assert_eq!(names("passing"), ["given"]);
        assert_eq!(names("empty").len(), 0);
        // Nor is anything in the layer that is made of the container.
        spec.mounts.retain(|mount| mount.target() != "/read");
        spec.argv = idle(bench.system().await, "echo x > /kept").argv;
        let container = bench.start_idle(&spec).await;
        let new = bench.new_layer(Some(spec.layer));
        container.save(&new).await.unwrap();
        container.remove().await.unwrap();
        let kept = Kept::default();
        let export = bench.engine.export(&new.id, &kept, &|_, _| {});
        export.await.unwrap();
        let written = kept.contents().pop().unwrap();
        assert_eq!(written.into_keys().collect::<Vec<_>>(), ["kept"]);
        // A copy is not the same where both sides are to see what the other one writes.
        for (name, target, access) in [
            ("read", "/read", Access::Live),
            ("file", "/file", Access::Read),
        ] {
            spec.mounts = vec![mount(name, target, access)];
            let error = bench.engine.start(&spec).await.map(drop).unwrap_err();
            assert!(matches!(error, EngineError::Elsewhere { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("does not see the files of this machine"), "{text}");
            assert!(text.contains(&*path(name).to_string_lossy()), "{text}");
        }
    })
    .await;
    assert_eq!(daemon.containers().len(), 0);
}
