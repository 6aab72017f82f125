//! Steps that install conda packages: what they ask for, and what of it identifies their layers.

use super::Config;
use super::fields::Fields;
use crate::spec::base::PythonVersion;
use crate::spec::verb::MicromambaInstall;

/// Where conda packages are, in every image that has them.
pub const PREFIX: &str = "/opt/conda";

/// Where the Python of a prefix comes from.
const PYTHON_CHANNELS: &[&str] = &["conda-forge"];

/// Packages to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conda {
    /// Match specs.
    pub specs: Vec<String>,
    /// Where they are looked for, as written.
    pub channels: &'static [&'static str],
    /// What the paths of directories start from.
    pub folder: &'static str,
}

impl Conda {
    /// The Python of a new prefix.
    pub(super) fn python(version: PythonVersion, folder: &'static str) -> Self {
        let spec = match version.pinned {
            true => format!("python=={}", version.exact),
            false => format!("python={}", version.series),
        };
        Self {
            specs: vec![spec],
            channels: PYTHON_CHANNELS,
            folder,
        }
    }

    /// What a step asks for.
    pub(super) fn of(step: &MicromambaInstall, folder: &'static str) -> Self {
        Self {
            specs: step.specs.iter().map(ToString::to_string).collect(),
            channels: step.channels,
            folder,
        }
    }

    /// What of it identifies a layer.
    pub(super) fn encode<'a>(&self, tool: &str, fields: &'a mut Fields) -> &'a mut Fields {
        fields
            .list("specs", self.specs.iter().map(String::as_str))
            .list("channels", self.channels.iter().copied())
            .text("py-rattler", tool)
    }
}

/// Has the programs of the prefix found before any other.
pub(super) fn first(config: &mut Config) {
    let path = format!("{PREFIX}/bin:{}", config.path());
    config.set("PATH", &path);
}
