//! What is left by processes that died.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use image_runtime::engine::EngineError;

use crate::bench::{Bench, connect, idle, lock_sweeping};
use crate::tree::file;

/// Names the engine and the layer in a process that starts a container and is then killed.
const ABANDON: &str = "IMAGE_TESTS_ABANDON";

pub(crate) async fn containers_of_the_living_stay(bench: &Bench) {
    let container = bench.start_idle(&idle(bench.system().await, "")).await;
    let _alone = lock_sweeping();
    bench.engine.sweep().await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(500), container.wait());
    assert!(waiting.await.is_err(), "it was removed");
    container.remove().await.unwrap();
}

pub(crate) async fn containers_of_the_dead_go(bench: &Bench) {
    let system = bench.system().await;
    let layer = bench.layer(Some(system), [file("x", "")]).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "suite::sweeping::starts_a_container_and_waits",
            "--ignored",
            "--nocapture",
        ])
        .env(ABANDON, format!("{} {layer}", bench.engine.name()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .find(|line| line.contains("started"))
        .unwrap();
    let _alone = lock_sweeping();
    let in_use = |result| matches!(result, Err(EngineError::InUse { .. }));

    bench.engine.sweep().await.unwrap();
    assert!(
        in_use(bench.engine.remove_layer(&layer).await),
        "its owner lived"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        in_use(bench.engine.remove_layer(&layer).await),
        "nobody removed it yet"
    );
    let swept = bench.engine.sweep().await.unwrap();
    assert!(swept.containers >= 1);
    bench.engine.remove_layer(&layer).await.unwrap();
}

/// Not a test: what [`containers_of_the_dead_go`] starts and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another test"]
async fn starts_a_container_and_waits() {
    let Ok(told) = std::env::var(ABANDON) else {
        return;
    };
    let (engine, layer) = told.split_once(' ').unwrap();
    let engine = connect(engine).await.unwrap();
    // What it leaves belongs to others, who let nobody look.
    let write = "mkdir -p /own/in; cat /etc/passwd > /own/in/file; chmod 700 /own/in /own; chown 1000:1000 /own/in/file /own/in /own";
    let spec = idle(layer.parse().unwrap(), write);
    let container = engine.start(&spec).await.unwrap();
    while !container.last_output().iter().any(|line| line == "ready") {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("\nstarted");
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
}
