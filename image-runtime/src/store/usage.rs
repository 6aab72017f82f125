//! When layers were last used: an empty file a layer, whose modification time says it.

use std::fs::File;
use std::time::SystemTime;

use super::Store;
use crate::digest::LayerId;

impl Store {
    /// Notes that a layer is used now. A note that cannot be kept is left out: the layer then counts as unused.
    pub fn note_use(&self, layer: &LayerId) {
        let path = self.uses().join(&layer.to_string());
        let noted = File::options().create(true).append(true).open(path);
        let _ = noted.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// When a layer was last used, if that is known.
    pub fn last_use(&self, layer: &LayerId) -> Option<SystemTime> {
        std::fs::metadata(self.uses().join(&layer.to_string()))
            .ok()?
            .modified()
            .ok()
    }

    /// Forgets the use of a layer that is gone.
    pub fn forget_use(&self, layer: &LayerId) {
        // One that was never noted is forgotten already.
        let _ = self.uses().remove(&layer.to_string());
    }

    /// Forgets the use of all layers but these.
    pub fn forget_uses_except(&self, kept: &[LayerId]) {
        let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
        let noted = std::fs::read_dir(self.uses().path());
        for entry in noted.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !kept.contains(&name) {
                let _ = self.uses().remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn uses_are_noted_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::at(root.path()).unwrap();
        let [one, two, three] = [b"1", b"2", b"3"].map(|text| Digest::of(text));
        for layer in [&one, &two, &three] {
            store.note_use(layer);
        }
        store.forget_use(&one);
        store.forget_uses_except(&[two]);
        let known = [&one, &two, &three].map(|layer| store.last_use(layer).is_some());
        assert_eq!(known, [false, true, false]);
    }
}
