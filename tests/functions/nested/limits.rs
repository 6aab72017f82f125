//! How deep and how many calls inside calls may be, and those that could only wait for themselves.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use image_runtime::{CallError, CallErrorKind, app};

use super::{container, told};
use crate::NOTHING;

#[app::function(image = NOTHING)]
fn climb(level: u32, top: u32) -> Result<u32, String> {
    if level == top {
        return Ok(level);
    }
    let above = climb::remote(level + 1, top).blocking();
    above.map_err(|error| format!("{:?}: {error}", error.kind()))
}

#[app::test]
async fn calls_may_be_sixteen_deep_and_no_deeper() {
    assert_eq!(climb::remote(1, 16).await.unwrap(), 16);
    let error = climb::remote(1, 17).await.unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Returned);
    let text = error.to_string();
    for says in [
        "Engine: `climb` was not called: no more than 16 calls",
        "these are 17",
        "`climb` → `climb`",
        "without `::remote`",
    ] {
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(climb::remote(9, 9).await.unwrap(), 9);
}

#[app::function(image = NOTHING, max_containers = 1)]
fn alone(again: u32) -> Result<u32, String> {
    match again {
        0 => Ok(0),
        again => told(alone::remote(again - 1).blocking())
            .map_err(|(kind, text)| format!("{kind}: {text}")),
    }
}

#[app::function(image = NOTHING, max_containers = 2)]
fn in_pairs(again: u32) -> Result<u32, CallError> {
    // Both are there before either calls again.
    std::thread::sleep(Duration::from_millis(300));
    match again {
        0 => Ok(0),
        again => Ok(in_pairs::remote(again - 1).blocking()? + 1),
    }
}

#[app::function(image = NOTHING, max_containers = 1, concurrency = 2)]
fn side_by_side(again: u32) -> Result<u32, CallError> {
    match again {
        0 => Ok(0),
        again => Ok(side_by_side::remote(again - 1).blocking()? + 1),
    }
}

#[app::function(image = NOTHING, max_containers = 1)]
fn there(comes_back: bool) -> Result<u32, CallError> {
    Ok(if comes_back {
        and_back::remote().blocking()? + 1
    } else {
        0
    })
}

#[app::function(image = NOTHING, max_containers = 1)]
fn and_back() -> Result<u32, CallError> {
    there::remote(false).blocking()
}

/// Calls itself, and waits for that only after it was told of it in another way.
#[app::function(image = NOTHING, max_containers = 1)]
fn wait_late() -> Result<u32, String> {
    let again = alone::spawn(0);
    let own = wait_late_too::spawn();
    again.get_blocking().map_err(|error| error.to_string())?;
    own.get_blocking().map_err(|error| error.to_string())
}

#[app::function(image = NOTHING, max_containers = 1)]
fn wait_late_too() -> Result<u32, String> {
    wait_late::remote()
        .blocking()
        .map_err(|error| error.to_string())
}

#[app::test]
async fn a_call_that_would_wait_for_itself_is_told_so() {
    for error in [
        alone::remote(1).await.unwrap_err(),
        there::remote(true).await.unwrap_err(),
        wait_late::remote().await.unwrap_err(),
    ] {
        let text = error.to_string();
        for says in [
            "it would wait for ever",
            "the only call that can run",
            "max_containers",
        ] {
            assert!(text.contains(says), "{text}");
        }
    }
    assert!(
        alone::remote(1)
            .await
            .unwrap_err()
            .to_string()
            .starts_with("Engine: `alone`")
    );
    assert_eq!(side_by_side::remote(1).await.unwrap(), 1);
    assert!(side_by_side::remote(2).await.is_err());
    // One of two makes room for the other.
    let pair = join_all([in_pairs::spawn(1).get(), in_pairs::spawn(1).get()]).await;
    assert!(pair.iter().any(Result::is_ok), "{pair:?}");
    assert_eq!(in_pairs::remote(1).await.unwrap(), 1);
}

#[app::function(image = NOTHING, env = { "POOL": "crowd" })]
fn nap() -> String {
    std::thread::sleep(Duration::from_millis(20));
    container()
}

#[app::function(image = NOTHING, env = { "POOL": "crowd" })]
fn nap_elsewhere() -> Result<[String; 2], CallError> {
    Ok([container(), nap::remote().blocking()?])
}

#[app::test]
async fn calls_that_wait_for_others_do_not_fill_the_machine_with_containers() {
    let calls: Vec<_> = (0..100).map(|_| nap_elsewhere::spawn()).collect();
    let mut containers = HashSet::new();
    for call in calls {
        containers.extend(call.get().await.unwrap());
    }
    let cores = std::thread::available_parallelism().map_or(4, |cores| cores.get().max(4));
    assert!(containers.len() <= 4 * cores, "{}", containers.len());
}
