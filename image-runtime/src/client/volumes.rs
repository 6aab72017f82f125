//! The volumes of a function, as mounts of its containers.

use std::path::Path;

use super::error::{CallError, CallErrorKind};
use crate::engine::Mount;
use crate::spec::volume::Place;
use crate::spec::{FunctionSpec, Volumes};

/// What containers of a function see. A directory below another comes after it.
pub(super) fn mounts(function: &FunctionSpec, volumes: &Volumes) -> Result<Vec<Mount>, CallError> {
    let mut all: Vec<_> = volumes.all.iter().collect();
    all.sort_by_key(|(target, _)| *target);
    let mounts = all.into_iter().map(|(target, volume)| {
        let target = target.trim_end_matches('/').to_owned();
        Ok(match volume.place() {
            Place::Name(name) => Mount::Volume {
                name: name.to_owned(),
                target,
            },
            Place::Host(path) => {
                let path = Path::new(volumes.folder).join(path);
                let found = path.canonicalize().and_then(|real| match real.is_dir() {
                    true => Ok(real),
                    false => Err(std::io::ErrorKind::NotADirectory.into()),
                });
                let source = found.map_err(|error| {
                    CallError::new(
                        CallErrorKind::Engine,
                        format!(
                            "`{}` cannot be called: its volume at `{target}` is the directory `{}`: {error}\n  \
                             help: make it, or name another one in `Volume::from_host(\"…\")`",
                            function.name,
                            path.display()
                        ),
                    )
                })?;
                Mount::Local {
                    source,
                    target,
                    read_only: false,
                }
            }
        })
    });
    mounts.collect()
}
