//! Layers made of what a process wrote.

use image_runtime::engine::{Access, ContainerSpec, EngineError, MOUNT_ROOT, Mount};

use crate::bench::{Bench, idle, lock_sweeping, shell};
use crate::tree::{directory, file};

/// The one cache of all runs of the suite.
const CACHE: &str = "tests";

pub(crate) async fn what_was_written_is_kept(bench: &Bench) {
    let system = bench.system().await;
    let before = [directory("d"), file("d/gone", ""), file("d/changed", "old")];
    let below = bench.layer(Some(system), before).await.unwrap();
    let write = "cd /d; rm gone; echo new > changed; mkdir -m 700 made; echo x > made/x";
    let container = bench.start_idle(&idle(below, write)).await;
    let new = bench.new_layer(Some(below));
    container.save(&new).await.unwrap();
    container.remove().await.unwrap();
    let check = "cd /d; ls; cat changed made/x; stat -c %a made";
    assert_eq!(
        bench.sh(new.id, check).await,
        ["changed", "made", "new", "x", "700"]
    );
    assert_eq!(
        bench.sh(below, "ls /d; cat /d/changed").await,
        ["changed", "gone", "old"]
    );
}

pub(crate) async fn nothing_of_mounts_is_kept(bench: &Bench) {
    let system = bench.system().await;
    let folder = tempfile::tempdir().unwrap();
    let mut spec = idle(
        system,
        "cd /dev/image-runtime; echo x > local/x; echo x > cache/x; echo x > /kept",
    );
    spec.mounts = vec![
        Mount::Local {
            source: folder.path().to_owned(),
            target: format!("{MOUNT_ROOT}/local"),
            access: Access::Returned,
        },
        Mount::Cache {
            name: CACHE.to_owned(),
            target: format!("{MOUNT_ROOT}/cache"),
        },
    ];
    let container = bench.start_idle(&spec).await;
    let new = bench.new_layer(Some(system));
    container.save(&new).await.unwrap();
    container.remove().await.unwrap();
    assert!(folder.path().join("x").exists());
    let check = "[ -e /kept ] && echo kept; [ -e /dev/image-runtime ] || echo nothing else";
    assert_eq!(bench.sh(new.id, check).await, ["kept", "nothing else"]);
}

pub(crate) async fn nothing_of_the_process_is_kept(bench: &Bench) {
    let system = bench.system().await;
    let mut spec = idle(system, "echo x > /x");
    spec.workdir = "/tmp".to_owned();
    let container = bench.start_idle(&spec).await;
    let new = bench.new_layer(Some(system));
    container.save(&new).await.unwrap();
    container.remove().await.unwrap();
    // Another process in it gets its own arguments and nothing of the first.
    let mut spec = shell(new.id, "echo $0 $#; pwd; id -u");
    spec.argv.extend(["name".to_owned(), "one".to_owned()]);
    assert_eq!(bench.run(&spec).await.1, ["name 1", "/", "0"]);
}

pub(crate) async fn a_saved_layer_can_be_built_on(bench: &Bench) {
    let mut layer = bench.system().await;
    for number in 0..3 {
        let container = bench
            .start_idle(&idle(layer, &format!("echo {number} >> /log")))
            .await;
        let new = bench.new_layer(Some(layer));
        container.save(&new).await.unwrap();
        container.remove().await.unwrap();
        layer = bench
            .layer(Some(new.id), [file(&format!("f{number}"), "")])
            .await
            .unwrap();
    }
    assert_eq!(
        bench.sh(layer, "cat /log; ls -d /f*").await,
        ["0", "1", "2", "/f0", "/f1", "/f2"]
    );
}

pub(crate) async fn caches_are_kept_between_containers(bench: &Bench) {
    let system = bench.system().await;
    let cache = Mount::Cache {
        name: CACHE.to_owned(),
        target: format!("{MOUNT_ROOT}/cache"),
    };
    let run = async |command: &str| {
        let mut spec = shell(system, command);
        spec.mounts = vec![cache.clone()];
        bench.run(&spec).await.1
    };
    run("echo remembered > /dev/image-runtime/cache/kept").await;
    assert_eq!(
        run("cat /dev/image-runtime/cache/kept").await,
        ["remembered"]
    );
}

pub(crate) async fn volumes_stay_until_they_are_removed(bench: &Bench) {
    let system = bench.system().await;
    let name = format!("tests-{}-{}", bench.engine.name(), std::process::id());
    let with_volume = |mut spec: ContainerSpec| {
        spec.mounts = vec![Mount::Volume {
            name: name.clone(),
            target: "/srv/volume".to_owned(),
        }];
        spec
    };
    let run = async |command: &str| bench.run(&with_volume(shell(system, command))).await.1;
    let names = async || {
        let all = bench.engine.volumes().await.unwrap().into_iter();
        all.filter(|volume| volume.name == name).count()
    };
    assert_eq!(names().await, 0);
    assert_eq!(
        run("stat -c '%u %a' /srv/volume; cd /srv/volume; echo x > x; mkdir -p closed/in; chmod 0 closed").await,
        ["0 755"]
    );
    let container = bench.start_idle(&with_volume(idle(system, "true"))).await;
    let refused = bench.engine.remove_volume(&name).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::VolumeInUse { .. }),
        "{refused}"
    );
    container.remove().await.unwrap();
    let alone = lock_sweeping();
    bench.engine.sweep().await.unwrap();
    drop(alone);
    assert_eq!(run("cat /srv/volume/x").await, ["x"]);
    assert_eq!(names().await, 1);
    assert!(bench.engine.remove_volume(&name).await.unwrap());
    assert!(!bench.engine.remove_volume(&name).await.unwrap());
    assert_eq!(names().await, 0);
}
