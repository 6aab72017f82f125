//! Images of registries.

use serde_json::json;

use crate::bench::Bench;
use crate::registry::Registry;
use crate::tree::{directory, file, small_system};

pub(crate) async fn an_image_of_a_registry_is_a_layer(bench: &Bench) {
    let mut tree = small_system();
    tree.0.extend([
        directory("closed").mode(0o500).owner(7, 8),
        file("closed/file", "content")
            .mode(0o4711)
            .owner(1000, 1001),
    ]);
    let registry = Registry::serve("some/system", &tree, json!({}));
    let reference = format!("{}/some/system:1", registry.address);
    let digest = bench.engine.resolve(&reference, None).await.unwrap();
    let new = bench.new_layer(None);
    let pulled = bench
        .engine
        .pull(&new, &reference, &digest, None, &|_, _| {});
    pulled.await.unwrap();
    let check = "cd /closed; stat -c '%n %a %u:%g' . file; cat file";
    let expected = if bench.has_only_root().await {
        [". 500 0:0", "file 4711 0:0", "content"]
    } else {
        [". 500 7:8", "file 4711 1000:1001", "content"]
    };
    assert_eq!(bench.sh(new.id, check).await, expected);
}
