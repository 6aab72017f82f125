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
}
