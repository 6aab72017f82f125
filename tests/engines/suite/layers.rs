//! Layers as things that are there, are listed and go.

use std::time::SystemTime;

use image_runtime::digest::LayerId;
use image_runtime::engine::EngineError;

use crate::bench::{Bench, idle};
use crate::tree::file;

async fn is_listed(bench: &Bench, layer: &LayerId) -> bool {
    bench
        .engine
        .layers()
        .await
        .unwrap()
        .iter()
        .any(|info| info.id == *layer)
}

pub(crate) async fn what_is_made_is_listed_until_it_is_removed(bench: &Bench) {
    let mut new = bench.new_layer(None);
    new.title = r#"run_commands("echo \"$HOME\" & <b> ä")"#.to_owned();
    let tree = crate::tree::Tree(vec![file("x", vec![b'x'; 100_000])]);
    bench.engine.add_files(&new, Box::new(tree)).await.unwrap();
    let mut above = bench.new_layer(Some(new.id));
    above.title = new.title.clone();
    let tree = crate::tree::Tree(vec![file("y", "")]);
    bench
        .engine
        .add_files(&above, Box::new(tree))
        .await
        .unwrap();

    let layers = bench.engine.layers().await.unwrap();
    for id in [new.id, above.id] {
        let info = layers.iter().find(|info| info.id == id).unwrap();
        assert_eq!(info.title, new.title);
        assert!(info.size >= 100_000, "{info:?}");
        assert!(
            SystemTime::now()
                .duration_since(info.created)
                .unwrap()
                .as_secs()
                < 3600
        );
    }
    for id in [above.id, new.id] {
        bench.engine.remove_layer(&id).await.unwrap();
        assert!(!is_listed(bench, &id).await);
        assert!(!bench.engine.has_layer(&id).await.unwrap());
        bench.engine.remove_layer(&id).await.unwrap();
    }
}

pub(crate) async fn a_layer_below_another_is_in_use(bench: &Bench) {
    let below = bench.layer(None, [file("x", "1")]).await.unwrap();
    let above = bench.layer(Some(below), [file("y", "2")]).await.unwrap();
    let error = bench.engine.remove_layer(&below).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
    assert!(bench.engine.has_layer(&below).await.unwrap());
    bench.engine.remove_layer(&above).await.unwrap();
    bench.engine.remove_layer(&below).await.unwrap();
}

pub(crate) async fn a_layer_of_a_container_is_in_use(bench: &Bench) {
    let system = bench.system().await;
    let layer = bench.layer(Some(system), [file("x", "1")]).await.unwrap();
    let other = bench.layer(Some(system), [file("x", "2")]).await.unwrap();
    // Each comes where the last one was.
    for layer in [layer, layer, other, layer] {
        let container = bench.start_idle(&idle(layer, "")).await;
        let error = bench.engine.remove_layer(&layer).await.unwrap_err();
        assert!(matches!(error, EngineError::InUse { .. }), "{error:?}");
        container.remove().await.unwrap();
    }
    for layer in [layer, other] {
        bench.engine.remove_layer(&layer).await.unwrap();
    }
}

pub(crate) async fn a_layer_that_does_not_exist_is_an_error_of_its_own(bench: &Bench) {
    let missing = bench.new_layer(None).id;
    let started = bench.engine.start(&idle(missing, "")).await.map(|_| ());
    let added = bench.layer(Some(missing), [file("x", "1")]).await;
    let kept = crate::suite::exporting::Kept::default();
    let exported = bench.engine.export(&missing, &kept, &|_, _| {}).await;
    for error in [
        started.unwrap_err(),
        added.unwrap_err(),
        exported.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("does not exist"), "{text}");
        let EngineError::NoLayer { lacking, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(lacking.layer, missing);
    }
}

pub(crate) async fn making_a_layer_again_replaces_it(bench: &Bench) {
    let system = bench.system().await;
    let new = bench.new_layer(Some(system));
    for content in ["first", "second"] {
        let tree = crate::tree::Tree(vec![file("x", content)]);
        bench.engine.add_files(&new, Box::new(tree)).await.unwrap();
        assert_eq!(bench.sh(new.id, "cat /x").await, [content]);
    }
}
