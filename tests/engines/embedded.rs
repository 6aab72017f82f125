//! What only the embedded engine can do.

use std::time::Duration;

use serde_json::json;

use crate::bench::{self, new_identity, shell, within};
use crate::registry::Registry;
use crate::tree::{Tree, directory, file, small_system};

const MANY: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_layers_are_stacked_where_the_kernel_can() {
    bench::on("embedded", "hundreds_of_layers", async |bench| {
        let mut top = bench.system().await;
        for number in 0..MANY {
            let items = [
                directory("layers"),
                file(&format!("layers/{number}"), ""),
                file("topmost", number.to_string()),
            ];
            top = bench.layer(Some(top), items).await.unwrap();
        }
        let spec = shell(top, "set /layers/*; echo $#; cat /topmost");
        match bench.engine.start(&spec).await {
            Ok(container) => {
                container.remove().await.unwrap();
                assert_eq!(bench.run(&spec).await.1, ["300", "299"]);
            }
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("301 layers are more than Linux can stack before 6.8"),
                    "{error}"
                );
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_come_into_being_while_those_above_are_on_their_way() {
    bench::on("embedded", "layers_come_into_being", async |bench| {
        let middle = Tree(vec![
            directory("data"),
            file("data/old", "1"),
            file("data/kept", "2"),
        ]);
        // Nobody has downloaded it before.
        let text = new_identity().to_string();
        let top = Tree(vec![
            file("data/.wh.old", ""),
            file("data/new", text.as_str()),
        ]);
        let system = small_system();
        let registry = Registry::serve_layers("parts", &[&system, &middle, &top], json!({}));
        registry.hold(2);
        let reference = format!("{}/parts:1", registry.address);
        let digest = bench.engine.resolve(&reference, None).await.unwrap();
        let mut new = bench.new_layer(None);
        new.title = format!("image of {}", registry.address);
        let pull = bench
            .engine
            .pull(&new, &reference, &digest, None, &|_, _| {});
        let part = |title: &str| format!("{}, {title}", new.title);
        let look = async {
            loop {
                let layers = bench.engine.layers().await.unwrap();
                if layers.iter().any(|layer| layer.title == part("part 2")) {
                    assert!(layers.iter().any(|layer| layer.title == part("part 1")));
                    assert!(layers.iter().all(|layer| layer.id != new.id));
                    return registry.let_go();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (pulled, ()) = within(futures_util::future::join(pull, look)).await;
        pulled.unwrap();
        let seen = bench.sh(new.id, "cd /data; ls; cat kept new").await;
        assert_eq!(seen, ["kept", "new", &format!("2{text}")]);

        bench.engine.remove_layer(&new.id).await.unwrap();
        for title in ["part 2", "part 1"] {
            let layers = bench.engine.layers().await.unwrap();
            let found = layers.iter().find(|layer| layer.title == part(title));
            bench.engine.remove_layer(&found.unwrap().id).await.unwrap();
        }
    })
    .await;
}
