//! What only the embedded engine can do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use image_runtime::engine::embedded::EmbeddedEngine;
use image_runtime::engine::{Access, ContainerSpec, Mount};
use image_runtime::store::Store;

use crate::bench::{self, idle, new_identity, shell, within};
use crate::registry::Registry;
use crate::suite::exporting::Kept;
use crate::tree::{Item, Tree, directory, fifo, file, link, small_system};

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
async fn what_cannot_be_shown_in_its_place_is_told_with_the_place() {
    bench::on("embedded", "what_cannot_be_shown", async |bench| {
        let items = [file("file", ""), link("nowhere", "missing/place")];
        let layer = bench.layer(Some(bench.system().await), items).await;
        let folder = tempfile::tempdir().unwrap();
        for place in ["/file", "/nowhere", "/file/below"] {
            let mut spec = shell(*layer.as_ref().unwrap(), "");
            spec.mounts.push(Mount::Local {
                source: folder.path().to_owned(),
                target: place.to_owned(),
                access: Access::Read,
            });
            let error = bench.engine.start(&spec).await.map(drop).unwrap_err();
            let error = error.to_string();
            let words = format!("nothing can be shown at `{place}`: ");
            assert!(
                error.contains(&words) && error.contains("help: "),
                "{error}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_pulled_at_once_share_the_layers_that_they_have_in_common() {
    bench::on(
        "embedded",
        "images_that_are_pulled_at_once",
        async |bench| {
            let text = new_identity().to_string();
            let mut system = small_system();
            system.0.push(file("unlike-others", text.as_str()));
            let middle = Tree(vec![file("middle", text.as_str())]);
            let tops = ["one", "two"].map(|name| Tree(vec![file("top", format!("{name} {text}"))]));
            let title = format!("image of {text}");
            let images = tops.each_ref().map(|top| {
                let layers = [&system, &middle, top];
                let registry = Registry::serve_layers("shared", &layers, json!({}));
                registry.hold(0);
                let mut new = bench.new_layer(None);
                new.title.clone_from(&title);
                (registry, new)
            });
            let pulls = images.each_ref().map(async |(registry, new)| {
                let reference = format!("{}/shared:1", registry.address);
                let digest = bench.engine.resolve(&reference, None).await.unwrap();
                let pull = bench
                    .engine
                    .pull(new, &reference, &digest, None, &|_, _| {});
                pull.await.unwrap();
            });
            // Both have found that none of it is there.
            let begin = async {
                for (registry, _) in &images {
                    while !registry.is_asked_for(2) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                images.iter().for_each(|(registry, _)| registry.let_go());
            };
            let pulls = futures_util::future::join_all(pulls);
            within(futures_util::future::join(pulls, begin)).await;

            let tops = ["one", "two"].into_iter().zip(&images);
            for (name, (_, new)) in tops {
                let seen = bench.sh(new.id, "cat /unlike-others /middle /top").await;
                assert_eq!(seen, [format!("{text}{text}{name} {text}")]);
            }
            for (_, new) in &images {
                bench.until_removed(&new.id).await;
            }
            for part in ["part 2", "part 1"] {
                let layers = bench.engine.layers().await.unwrap();
                let parts = layers
                    .iter()
                    .filter(|layer| layer.title == format!("{title}, {part}"));
                let parts: Vec<_> = parts.map(|layer| layer.id).collect();
                assert_eq!(parts.len(), 1);
                bench.until_removed(&parts[0]).await;
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_layers_does_not_change_them() {
    bench::on("embedded", "what_reads_layers", async |bench| {
        let with_mode = |mut item: Item, mode| {
            item.entry.mode = mode;
            item
        };
        let items = [
            with_mode(file("secret", "1"), 0),
            with_mode(file("written-only", "2"), 0o200),
            with_mode(directory("closed"), 0),
            with_mode(file("closed/inside", "3"), 0o600),
            with_mode(directory("blind"), 0o300),
            with_mode(directory("blind/deeper"), 0),
            file("blind/deeper/inside", "4"),
        ];
        let layer = bench.layer(None, items).await.unwrap();
        let kept = Kept::default();
        let exported = bench.engine.export(&layer, &kept, &|_, _| {});
        let first = exported.await.unwrap();
        let content = kept.contents().remove(0);
        let texts: Vec<_> = content.values().map(String::as_str).collect();
        assert_eq!(texts, ["4", "3", "1", "2"], "{content:?}");
        let name = layer.to_string();
        let found = bench.engine.verify().await.unwrap().unwrap();
        let damaged = found.damaged.iter();
        let damaged: Vec<_> = damaged.filter(|it| name.starts_with(&it.layer)).collect();
        assert!(damaged.is_empty(), "{damaged:?}");
        let again = bench.engine.export(&layer, &kept, &|_, _| {});
        assert_eq!(again.await.unwrap(), first);
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

#[tokio::test(flavor = "multi_thread")]
async fn layers_deeper_than_a_path_reaches_are_whole_and_go() {
    bench::on("embedded", "layers_deeper_than_a_path", async |bench| {
        let system = bench.system().await;
        // Half of it is made elsewhere, since a shell knows where it is by the whole path.
        let write = "set -e; name=x; while [ ${#name} -lt 200 ]; do name=x$name; done; \
            path=; for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13; do path=$path/$name; done; \
            mkdir -p /one$path /two$path; mv /two /one$path";
        let container = bench.start_idle(&idle(system, write)).await;
        let new = bench.new_layer(Some(system));
        container.save(&new).await.unwrap();
        container.remove().await.unwrap();
        let found = bench.engine.verify().await.unwrap().unwrap();
        let name = new.id.to_string();
        let mut damaged = found.damaged.iter().map(|damaged| &damaged.layer);
        assert!(
            !damaged.any(|layer| name.starts_with(layer.as_str())),
            "{found:?}"
        );
        bench.until_removed(&new.id).await;
        let layers = bench.engine.layers().await.unwrap();
        assert!(layers.iter().all(|layer| layer.id != new.id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_more_layers_than_can_be_stacked_is_refused_before_it_is_fetched() {
    bench::on("embedded", "an_image_of_more_layers", async |bench| {
        let tree = Tree(vec![file("same", new_identity().to_string())]);
        let registry = Registry::serve_layers("many", &[&tree; 500], json!({}));
        let reference = format!("{}/many:1", registry.address);
        let digest = bench.engine.resolve(&reference, None).await.unwrap();
        let new = bench.new_layer(None);
        let pull = bench
            .engine
            .pull(&new, &reference, &digest, None, &|_, _| {});
        let error = pull.await.unwrap_err().to_string();
        assert!(error.contains("500 layers"), "{error}");
        assert!(!registry.is_asked_for(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_container_is_in_a_place_of_which_another_may_have_something_open() {
    bench::on("embedded", "no_container_is_in_a_place", async |bench| {
        let upper = "read -r line < /proc/self/mountinfo; echo \"$line\"";
        let apart = shell(bench.system().await, upper);
        let mut shared = apart.clone();
        shared.mounts.push(Mount::Cache {
            name: "tests".to_owned(),
            target: "/srv".to_owned(),
        });
        let mut places = Vec::new();
        for spec in [&apart, &apart, &shared, &shared] {
            let line = bench.run(spec).await.1.remove(0);
            let (_, place) = line.split_once("upperdir=").unwrap();
            places.push(place.split(',').next().unwrap().to_owned());
        }
        // That of one that was alone is used again, by whoever comes.
        assert_eq!(places[0], places[1]);
        assert_eq!(places[1], places[2]);
        assert_ne!(places[2], places[3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_network_of_the_machine_no_packets_of_others_are_read() {
    bench::on("embedded", "with_the_network", async |bench| {
        let bounds =
            "while read -r key set; do [ $key != CapBnd: ] || echo $set; done < /proc/self/status";
        let without = shell(bench.system().await, bounds);
        let mut with = without.clone();
        with.network = true;
        let mut sets = Vec::new();
        for spec in [without, with] {
            let set = bench.run(&spec).await.1.remove(0);
            sets.push(u64::from_str_radix(&set, 16).unwrap());
        }
        let net_raw = 1 << 13;
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(sets[0] & net_raw, net_raw);
        // An ordinary user's counts for nothing there.
        assert_eq!(sets[1], if is_root { sets[0] & !net_raw } else { sets[0] });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_place_of_the_list_of_users_is_read_if_it_is_a_small_file() {
    bench::on("embedded", "what_stands_in_place", async |bench| {
        let system = bench.system().await;
        let passwd = "etc/passwd";
        let remove = idle(system, "rm /etc/passwd");
        let container = bench.start_idle(&remove).await;
        let removed = bench.new_layer(Some(system));
        container.save(&removed).await.unwrap();
        container.remove().await.unwrap();
        let mut layers = vec![removed.id];
        for item in [fifo(passwd), file(passwd, vec![b'x'; 17 << 20])] {
            let layer = bench.layer(Some(system), [directory("etc"), item]).await;
            layers.push(layer.unwrap());
        }
        for layer in layers {
            let mut spec = shell(layer, "echo $HOME");
            assert_eq!(bench.run(&spec).await.1, ["/"]);
            spec.user = "user".to_owned();
            let error = bench.engine.start(&spec).await.map(drop).unwrap_err();
            assert!(error.to_string().contains("`user`"), "{error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_that_were_written_to_when_the_machine_went_down_are_empty() {
    // A store of its own: its caches are those of nobody else.
    let folder = tempfile::tempdir().unwrap();
    let engine = EmbeddedEngine::open(&Store::at(folder.path()).unwrap()).await;
    let engine = match engine {
        Ok(engine) => Arc::new(engine),
        Err(error) => return bench::not_run("embedded::caches", &error.to_string()),
    };
    bench::run(engine, async |bench| {
        let system = bench.system().await;
        let with_cache = |mut spec: ContainerSpec| {
            spec.mounts.push(Mount::Cache {
                name: "tests".to_owned(),
                target: "/srv".to_owned(),
            });
            spec
        };
        let address = bench.engine.info().await.unwrap().address;
        let mark = Path::new(&address).join("caches.unsynced");
        let note = with_cache(idle(system, "echo x >> /srv/x"));
        let container = bench.start_idle(&note).await;
        let marked = std::fs::read(&mark).unwrap();
        assert!(!marked.is_empty());
        let new = bench.new_layer(Some(system));
        container.save(&new).await.unwrap();
        container.remove().await.unwrap();
        assert!(!mark.exists(), "all of it is on the disk");
        let count = with_cache(shell(
            system,
            "while read -r x; do echo $x; done < /srv/x; echo y >> /srv/x",
        ));
        assert_eq!(bench.run(&count).await.1, ["x"]);
        assert!(
            !mark.exists(),
            "nobody made a layer of that, and it is on the disk all the same"
        );
        assert_eq!(bench.run(&count).await.1, ["x", "y"]);
        std::fs::write(&mark, "another start of the machine").unwrap();
        let seen = with_cache(shell(system, "ls /srv; echo z > /srv/x"));
        assert!(bench.run(&seen).await.1.is_empty());
        assert!(!mark.exists());
        assert_eq!(bench.run(&count).await.1, ["z"]);
        bench.engine.remove_layer(&new.id).await.unwrap();
        bench.engine.remove_layer(&system).await.unwrap();
    })
    .await;
}
