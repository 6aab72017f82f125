//! The volumes of a function, as mounts of its containers.

use std::path::Path;

use super::error::{CallError, CallErrorKind};
use crate::engine::{Access, Mount};
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
                let refused = |what: String, help: &str| {
                    CallError::new(
                        CallErrorKind::Engine,
                        format!(
                            "`{}` cannot be called: its volume at `{target}` is {what}\n  help: {help}",
                            function.name
                        ),
                    )
                };
                let source = path.canonicalize().map_err(|error| {
                    refused(
                        format!("the directory `{}`: {error}", path.display()),
                        "make it, or name another one in `Volume::from_host(\"…\")`",
                    )
                })?;
                if !source.is_dir() {
                    return Err(refused(
                        format!("`{}`, which is no directory", path.display()),
                        "name the directory around it in `Volume::from_host(\"…\")`; a single file is put into an image by \
                         `.add_local_file(\"…\", \"…\")`",
                    ));
                }
                Mount::Local {
                    source,
                    target,
                    access: Access::Live,
                }
            }
        })
    });
    mounts.collect()
}
