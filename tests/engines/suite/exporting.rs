//! Layers handed out as registries and other engines take them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use image_runtime::digest::Digest;
use image_runtime::engine::{EngineError, LayerSink, PackedLayer};

use crate::bench::{Bench, idle};
use crate::tree::{directory, file, hard_link};

/// Keeps what it gets.
#[derive(Default)]
pub(crate) struct Kept {
    layers: Mutex<Vec<(PackedLayer, Vec<u8>)>>,
    fails: bool,
}

impl Kept {
    /// What is in the layers, the lowest first.
    pub(crate) fn contents(&self) -> Vec<BTreeMap<String, String>> {
        let layers = self.layers.lock().unwrap();
        layers
            .iter()
            .map(|(layer, bytes)| content(bytes, &layer.diff_id))
            .collect()
    }
}

#[async_trait]
impl LayerSink for Kept {
    async fn has(&self, _: &PackedLayer) -> Result<bool, EngineError> {
        Ok(false)
    }

    async fn take(&self, layer: &PackedLayer, file: &Path) -> Result<(), EngineError> {
        if self.fails {
            return Err(EngineError::Refused {
                doing: "taking it".to_owned(),
                said: "no more room".to_owned(),
            });
        }
        let bytes = std::fs::read(file).unwrap();
        self.layers.lock().unwrap().push((layer.clone(), bytes));
        Ok(())
    }
}

/// The regular files and links of a packed layer, with what is in them.
fn content(packed: &[u8], diff_id: &Digest) -> BTreeMap<String, String> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(Digest::of(&bytes), *diff_id);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries = archive.entries().unwrap().filter_map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => None,
            tar::EntryType::Link => {
                let target = entry.link_name().unwrap().unwrap();
                Some((path, format!("is {}", target.display())))
            }
            _ => Some((path, text)),
        }
    });
    entries.collect()
}

pub(crate) async fn a_layer_and_those_below_are_archives_of_what_they_add(bench: &Bench) {
    let system = bench.system().await;
    let added = [
        directory("d"),
        file("d/gone", "1"),
        file("d/kept", "2"),
        hard_link("d/same", "d/kept"),
    ];
    let below = bench.layer(Some(system), added).await.unwrap();
    let write = "cd /d; rm gone; echo 3 > new";
    let container = bench.start_idle(&idle(below, write)).await;
    let new = bench.new_layer(Some(below));
    container.save(&new).await.unwrap();
    container.remove().await.unwrap();

    let kept = Kept::default();
    let export = bench.engine.export(&new.id, &kept, &|_, _| {});
    let layers = export.await.unwrap();
    let seen = kept.contents();
    let kept = kept.layers.into_inner().unwrap();
    let described: Vec<_> = kept.iter().map(|(layer, _)| layer.clone()).collect();
    assert_eq!(described, layers);
    assert_eq!(layers.last().unwrap().title, new.title);
    for (layer, bytes) in &kept {
        assert_eq!(Digest::of(bytes), layer.digest);
        assert_eq!(bytes.len() as u64, layer.size);
        assert!(layer.newest >= 1_600_000_000, "{layer:?}");
    }
    let [.., lower, upper] = &seen[..] else {
        panic!("two layers and the system: {seen:?}")
    };
    assert!(seen[0].keys().any(|path| path == "usr/bin/sh"));
    let texts = |layer: &BTreeMap<String, String>| {
        let in_d = layer.iter().filter(|(path, _)| path.starts_with("d/"));
        in_d.map(|(path, text)| format!("{path}: {}", text.trim_end()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        texts(lower),
        ["d/gone: 1", "d/kept: 2", "d/same: is d/kept"]
    );
    assert_eq!(texts(upper), ["d/.wh.gone: ", "d/new: 3"]);
}

pub(crate) async fn a_sink_that_fails_ends_it(bench: &Bench) {
    let layer = bench.layer(None, [file("x", "1")]).await.unwrap();
    let kept = Kept {
        fails: true,
        ..Kept::default()
    };
    let error = bench.engine.export(&layer, &kept, &|_, _| {}).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "taking it failed: no more room"
    );
}
