//! Conda packages. py-rattler solves and installs them: a wheel that runs by a Python of its own, so that nothing of it is in the
//! image, and nobody who uses this crate compiles a solver.
//!
//! Wheel and Python come from an image like any other, the **tool image**. What is needed of it is collected into the cache that
//! build containers see, where packages are kept between builds, too.

use std::path::{Path, PathBuf};

use super::steps::{command, hold};
use super::{BuildError, Builder, Prepared};
use crate::digest::{Encoder, LayerId};
use crate::engine::{Access, Mount};
use crate::event::Work;
use crate::plan::{Action, CONDA_PREFIX, Chain, Conda, DEFAULT_CONDA, DEFAULT_UV, PlannedLayer};
use crate::protocol::Command;
use crate::secrets::{Mask, Values};
use crate::spec::base::{Base, BuilderVersion, PythonVersion, debian_slim};
use crate::spec::verb::pip_install_from_requirements;
use crate::spec::{Image, ImageSpec, Place, Requirements, Step};

/// Names where channels are, in place of [`PUBLIC`]: an address or a directory.
const MIRROR_VARIABLE: &str = "IMAGE_CONDA_MIRROR";

/// Where channels are that are called by a name.
const PUBLIC: &str = "https://conda.anaconda.org";

const CACHE: &str = "/dev/image-runtime/conda";
const CHANNELS: &str = "/dev/image-runtime/conda-channels";

/// The scripts that the tool's Python runs.
const COLLECT: &str = include_str!("collect.py");
const INSTALL: &str = include_str!("install.py");

const PYTHON: PythonVersion = PythonVersion {
    series: "3.11",
    exact: "3.11.10",
    pinned: false,
};

const BUILDER: BuilderVersion = BuilderVersion {
    name: "2024.10",
    suite: "bookworm",
    pip: "24.2",
    uv: DEFAULT_UV,
    conda: DEFAULT_CONDA,
    python: PYTHON,
    series: &["3.11"],
};

/// The wheels of x86-64 and arm64, to the last bit.
const WHEEL: Requirements = Requirements {
    text: "py-rattler==0.28.0 --hash=sha256:4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb \
           --hash=sha256:61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0\n",
    constraints: "",
    options: &["--require-hashes", "--no-deps"],
};

const STEPS: &[Step] = &[pip_install_from_requirements("py-rattler", WHEEL).step()];

static TOOL: ImageSpec = ImageSpec {
    base: base(),
    steps: STEPS,
    place: Place {
        file: file!(),
        line: line!(),
        column: column!(),
        module: module_path!(),
        manifest_dir: "",
    },
};

const fn base() -> Base {
    debian_slim(BUILDER).python_version(PYTHON).base()
}

/// A channel in a build container.
#[derive(serde::Serialize)]
struct Channel {
    /// Where the tool finds it.
    from: String,
    /// Where records say that it is.
    name: String,
}

/// What `install.py` is told.
#[derive(serde::Serialize)]
struct Asked<'a> {
    prefix: &'a str,
    cache: &'a str,
    specs: &'a [String],
    channels: Vec<Channel>,
    /// What the layer brings and takes away exactly, where that is locked.
    locked: Option<&'a [String]>,
    removed: &'a [String],
}

impl Builder {
    /// The tool image, for an image that has a layer to be made with it.
    pub(super) async fn conda_tool(&self, image: &str) -> Result<&Prepared, BuildError> {
        let prepare = || async {
            let chain = Chain::of(Image::from_spec(&TOOL));
            self.prepare_chain(image.to_owned(), &chain).await
        };
        self.conda_tool.get_or_try_init(prepare).await
    }

    /// Makes a layer of conda packages; the tool image exists.
    pub(super) async fn make_conda(
        &self,
        image: &Prepared,
        layer: &PlannedLayer,
        parent: LayerId,
        conda: &Conda,
        tool: &str,
    ) -> Result<(), BuildError> {
        let tool_image = self.conda_tool(&image.name).await?;
        let (channels, mut mounts) = channels(conda, layer)?;
        // The tool is collected once, and its cache is one program's at a time.
        let locks = self.store.locks();
        let lock = locks.lock("cache-conda", || {});
        let _lock = self.timed(layer.id, Work::Waiting, lock).await?;
        let place = format!("{CACHE}/{}", collected(tool, COLLECT, PYTHON, WHEEL));
        let line = format!("test -e {place} || exec python3 -c \"$0\" {place}");
        let collect = command(&["/bin/sh", "-c", &line, COLLECT]);
        let mut commands = vec![hold(CACHE), collect];
        let mut tool_mounts = vec![cache()];
        self.dress(
            &tool_image.plan.layers[tool_image.plan.layers.len() - 1],
            &Values::default(),
            &mut commands,
            &mut tool_mounts,
        );
        let of = tool_image.plan.top();
        let worker = self
            .run_in(image, layer, of, &Mask::default(), commands, tool_mounts)
            .await?;
        worker.remove().await?;
        mounts.push(cache());
        let pins = layer.pins.as_deref();
        let asked = Asked {
            prefix: CONDA_PREFIX,
            cache: CACHE,
            specs: &conda.specs,
            channels,
            locked: pins.map(|pins| &pins.conda[..]),
            removed: pins.map(|pins| &pins.removed[..]).unwrap_or_default(),
        };
        let asked = serde_json::to_string(&asked).expect("it is texts only");
        let (loader, libraries) = (format!("{place}/libs/loader"), format!("{place}/libs"));
        let python = format!("{place}/bin/python");
        let mut install = command(&[
            &loader,
            "--library-path",
            &libraries,
            &python,
            "-S",
            "-c",
            INSTALL,
            &asked,
        ]);
        install.env = vec![
            ("PYTHONHOME".into(), place.clone()),
            ("PYTHONPATH".into(), format!("{place}/site")),
            ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
        ];
        let values = Values::default();
        let commands = vec![hold(CACHE), install];
        self.run_step(image, layer, parent, &values, commands, mounts)
            .await
    }
}

impl Prepared {
    /// Whether one of its layers is made with the tool image.
    pub(super) fn has_conda(&self) -> bool {
        self.plan.layers.iter().any(is_conda)
    }
}

/// What the tool is called in the cache, once it is collected: another one has another name.
fn collected(tool: &str, script: &str, python: PythonVersion, wheel: Requirements) -> String {
    let mut encoder = Encoder::new("image-runtime conda tool 1");
    encoder.text(script).text(python.exact).text(wheel.text);
    let digest = encoder.finish().short();
    format!("py-rattler-{tool}-{}-{digest}", std::env::consts::ARCH)
}

/// Where channels are that are called by a name.
pub(crate) fn mirror() -> String {
    match std::env::var(MIRROR_VARIABLE) {
        Ok(mirror) if !mirror.is_empty() => mirror.trim_end_matches('/').to_owned(),
        _ => PUBLIC.to_owned(),
    }
}

/// What is typed for a command of ours, as far as it is one of conda.
pub(super) fn typed(command: &Command) -> Option<String> {
    if command.argv.iter().any(|word| word == COLLECT) {
        return Some("python3 collect.py".to_owned());
    }
    let [.., script, asked] = &command.argv[..] else {
        return None;
    };
    let asked: serde_json::Value = serde_json::from_str(asked)
        .ok()
        .filter(|_| script == INSTALL)?;
    let specs = asked["specs"].as_array()?.iter();
    let specs: Vec<_> = specs.filter_map(|spec| spec.as_str()).collect();
    Some(format!("micromamba install {}", specs.join(" ")))
}

/// Whether a layer holds conda packages.
pub(super) fn is_conda(layer: &PlannedLayer) -> bool {
    matches!(layer.action, Action::Conda { .. })
}

fn cache() -> Mount {
    Mount::Cache {
        name: "conda".into(),
        target: CACHE.into(),
    }
}

/// Where the channels of a step are, and what containers see of those that are directories.
fn channels(conda: &Conda, layer: &PlannedLayer) -> Result<(Vec<Channel>, Vec<Mount>), BuildError> {
    let mirror = mirror();
    let (mut channels, mut mounts) = (Vec::new(), Vec::new());
    for written in conda.channels {
        let is_path = written.starts_with(['/', '.']);
        let (place, name) = match written {
            address if address.contains("://") => (written.to_string(), written.to_string()),
            path if is_path => {
                let path = Path::new(conda.folder).join(path);
                (path.display().to_string(), written.to_string())
            }
            name => (format!("{mirror}/{name}"), format!("{PUBLIC}/{name}")),
        };
        let place = place.strip_prefix("file://").unwrap_or(&place);
        let from = if place.contains("://") {
            place.to_owned()
        } else {
            let source = directory(place, written, layer)?;
            let target = format!("{CHANNELS}/{}", channels.len());
            mounts.push(Mount::Local {
                source,
                target: target.clone(),
                access: Access::Read,
            });
            format!("file://{target}")
        };
        channels.push(Channel { from, name });
    }
    Ok((channels, mounts))
}

fn directory(path: &str, written: &str, layer: &PlannedLayer) -> Result<PathBuf, BuildError> {
    let found = std::fs::canonicalize(path).and_then(|path| match path.is_dir() {
        true => Ok(path),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    });
    found.map_err(|source| BuildError::Channel {
        step: layer.title.clone(),
        channel: written.to_owned(),
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_another_one_is_collected_anew() {
        let now = || collected(DEFAULT_CONDA, COLLECT, PYTHON, WHEEL);
        assert!(now().starts_with("py-rattler-0.28.0-"), "{}", now());
        assert_eq!(now(), now());
        let python = PythonVersion {
            exact: "3.11.11",
            ..PYTHON
        };
        let wheel = Requirements {
            text: "py-rattler==0.29.0\n",
            ..WHEEL
        };
        for other in [
            collected("0.29.0", COLLECT, PYTHON, WHEEL),
            collected(DEFAULT_CONDA, "import this", PYTHON, WHEEL),
            collected(DEFAULT_CONDA, COLLECT, python, WHEEL),
            collected(DEFAULT_CONDA, COLLECT, PYTHON, wheel),
        ] {
            assert_ne!(other, now());
        }
    }
}
