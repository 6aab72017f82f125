//! The layers of an engine, and which of them goes next: the one that was not used for the longest time, of those that nothing
//! stands on.

use std::collections::HashSet;
use std::time::SystemTime;

use super::contents;
use super::passing::all_passing;
use crate::digest::LayerId;
use crate::engine::{Engine, EngineError, LayerInfo};
use crate::store::Store;

/// Layers and when they were used.
#[derive(Debug)]
pub struct Shelf {
    layers: Vec<(LayerInfo, SystemTime)>,
    /// Those that the engine does not let go.
    in_use: HashSet<LayerId>,
}

impl Shelf {
    /// All layers that a store uses, but for those of runs that leave the cache as it is: these go when their run ends. Where an engine
    /// has layers of other stores as well, those that this one never used are theirs.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn of(engine: &dyn Engine, store: &Store) -> Result<Self, EngineError> {
        let layers = engine.layers().await?;
        // Looked at afterwards: a layer is listed there before it is made.
        let passing = all_passing(store);
        let layers = layers.into_iter();
        let layers = layers.filter(|layer| !passing.contains(&layer.id));
        let now = SystemTime::now();
        Ok(Self::new(layers.filter_map(|layer| {
            let used = match store.last_use(&layer.id) {
                Some(used) => used,
                None if engine.shares_layers() => return None,
                None => layer.created,
            };
            if used <= now {
                return Some((layer, used));
            }
            // The clock was set back since: it counts as used now, this once.
            store.note_use(&layer.id);
            Some((layer, now))
        })))
    }

    fn new(layers: impl IntoIterator<Item = (LayerInfo, SystemTime)>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
            in_use: HashSet::new(),
        }
    }

    /// Bytes of all layers, each counted once.
    pub fn size(&self) -> u64 {
        let own = |layer: &LayerInfo| {
            let below = layer.parent.and_then(|parent| self.get(&parent));
            layer
                .size
                .saturating_sub(below.map_or(0, |below| below.size))
        };
        self.layers.iter().map(|(layer, _)| own(layer)).sum()
    }

    /// Removes one after the other as long as that is wanted; answers how many.
    ///
    /// # Errors
    /// What the engine says, but for layers in use: those stay.
    pub async fn remove_while(
        &mut self,
        engine: &dyn Engine,
        store: &Store,
        wanted: impl Fn(&Self, SystemTime) -> bool,
    ) -> Result<usize, EngineError> {
        let mut removed = 0;
        while let Some((id, used)) = self.next()
            && wanted(self, used)
        {
            match engine.remove_layer(&id).await {
                Ok(()) => {
                    store.forget_use(&id);
                    contents::forget(store, engine.name(), &id);
                    self.layers.retain(|(layer, _)| layer.id != id);
                    removed += 1;
                }
                Err(EngineError::InUse { .. }) => {
                    self.in_use.insert(id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// The layers that are there.
    pub fn identities(&self) -> Vec<LayerId> {
        self.layers.iter().map(|(layer, _)| layer.id).collect()
    }

    /// How many layers are there whose last use is such.
    pub fn count(&self, such: impl Fn(SystemTime) -> bool) -> usize {
        self.layers.iter().filter(|(_, used)| such(*used)).count()
    }

    fn get(&self, id: &LayerId) -> Option<&LayerInfo> {
        let layers = self.layers.iter().map(|(layer, _)| layer);
        layers.into_iter().find(|layer| layer.id == *id)
    }

    fn next(&self) -> Option<(LayerId, SystemTime)> {
        let below: HashSet<_> = self
            .layers
            .iter()
            .filter_map(|(layer, _)| layer.parent)
            .collect();
        let free = self
            .layers
            .iter()
            .map(|(layer, used)| (layer.id, *used))
            .filter(|(id, _)| !below.contains(id) && !self.in_use.contains(id));
        free.min_by_key(|(_, used)| *used)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;
    use crate::engine::NewLayer;
    use crate::engine::fake::FakeEngine;

    fn id(name: &str) -> LayerId {
        Digest::of(name.as_bytes())
    }

    /// Layers by name, the one below, bytes with those below, seconds of the last use.
    async fn shelf(layers: &[(&str, &str, u64, u64)]) -> (FakeEngine, tempfile::TempDir, Shelf) {
        let engine = FakeEngine::default();
        let mut infos = Vec::new();
        for (name, below, size, used) in layers {
            let new = NewLayer {
                id: id(name),
                parent: (!below.is_empty()).then(|| id(below)),
                title: (*name).to_owned(),
            };
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(*used);
            let files = Box::new(crate::engine::NoFiles);
            engine.add_files(&new, files).await.unwrap();
            let info = LayerInfo {
                id: new.id,
                parent: new.parent,
                title: new.title,
                created: used,
                size: *size,
            };
            infos.push((info, used));
        }
        (engine, tempfile::tempdir().unwrap(), Shelf::new(infos))
    }

    #[tokio::test]
    async fn what_was_used_before_the_clock_went_back_ages_from_now_on() {
        let (engine, folder, _) = shelf(&[("a", "", 1, 1)]).await;
        let store = Store::at(folder.path()).unwrap();
        store.note_use(&id("a"));
        let note = folder.path().join(format!("v1/uses/{}", id("a")));
        let note = std::fs::File::options().append(true).open(note).unwrap();
        let later = SystemTime::now() + Duration::from_secs(3600);
        note.set_modified(later).unwrap();
        let [first, second] = [
            Shelf::of(&engine, &store).await.unwrap(),
            Shelf::of(&engine, &store).await.unwrap(),
        ];
        let before = SystemTime::now();
        assert_eq!(first.count(|used| used <= before), 1);
        assert_eq!(second.count(|used| used <= first.layers[0].1), 0);
        assert_eq!(second.count(|used| used <= before), 1);
    }

    #[tokio::test]
    async fn bytes_of_a_layer_that_two_stand_on_count_once() {
        let layers = [
            ("base", "", 100, 1),
            ("a", "base", 110, 2),
            ("b", "base", 105, 3),
        ];
        assert_eq!(shelf(&layers).await.2.size(), 115);
    }

    #[tokio::test]
    async fn what_was_not_used_for_the_longest_time_goes_first_and_no_more_than_needed() {
        let layers = [
            ("base", "", 100, 1),
            ("a", "base", 110, 9),
            ("b", "base", 130, 5),
            ("c", "b", 135, 6),
        ];
        let (engine, folder, mut shelf) = shelf(&layers).await;
        let store = Store::at(folder.path()).unwrap();
        let too_much = |shelf: &Shelf, _| shelf.size() > 120;
        let removed = shelf.remove_while(&engine, &store, too_much).await.unwrap();
        // The base is older, but stood on; `c` goes before what it stands on.
        assert_eq!((removed, shelf.size()), (2, 110));
        assert!(engine.layer(&id("a")).is_some() && engine.layer(&id("b")).is_none());
    }

    #[tokio::test]
    async fn where_all_is_too_much_all_goes_from_top_to_bottom() {
        let layers = [("base", "", 100, 1), ("a", "base", 110, 2)];
        let (engine, folder, mut shelf) = shelf(&layers).await;
        let store = Store::at(folder.path()).unwrap();
        let removed = shelf
            .remove_while(&engine, &store, |_, _| true)
            .await
            .unwrap();
        assert_eq!((removed, shelf.size(), shelf.count(|_| true)), (2, 0, 0));
    }
}
