//! The bases that a chain can start from.

use super::dockerfile::Dockerfile;
use super::{ImageRef, Secret};

/// What a chain of steps starts from.
#[derive(Clone, Copy, Debug)]
pub enum Base {
    /// [`debian_slim`]
    DebianSlim(DebianSlim),
    /// [`micromamba`]
    Micromamba(Micromamba),
    /// [`from_registry`]
    FromRegistry(FromRegistry),
    /// [`from_dockerfile`]
    FromDockerfile(FromDockerfile),
    /// [`scratch`]
    Scratch,
    /// Another image, named by a path to its `const`.
    Image(ImageRef),
}

/// A Python version, as the builder version resolves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonVersion {
    /// `3.11`
    pub series: &'static str,
    /// `3.11.10`
    pub exact: &'static str,
    /// Whether the user asked for the exact version rather than for the series.
    pub pinned: bool,
}

/// One row of the table of builder versions: everything a builder version pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuilderVersion {
    /// `2024.10`
    pub name: &'static str,
    /// The Debian suite: `bookworm`.
    pub suite: &'static str,
    /// The version of pip.
    pub pip: &'static str,
    /// The version of uv.
    pub uv: &'static str,
    /// The version of py-rattler, which installs conda packages.
    pub conda: &'static str,
    /// The Python of an image that needs one and names none.
    pub python: PythonVersion,
    /// The Python series it has: `3.11`
    pub series: &'static [&'static str],
}

/// The base made by [`debian_slim`].
#[derive(Clone, Copy, Debug)]
pub struct DebianSlim {
    /// The Python asked for, if any.
    pub python: Option<PythonVersion>,
    /// What the builder version pins.
    pub builder: BuilderVersion,
}

/// `debian_slim(python_version = "3.11", builder_version = "2024.10")`: minimal Debian, with Python if asked for.
///
/// Both keywords are optional. Without `python_version` there is no Python in the image unless a later step needs one.
///
/// ```
/// # use image_runtime::{Image, image};
/// const ML: Image = image!(debian_slim(python_version = "3.11").pip_install("numpy==2.2.6"));
/// ```
pub const fn debian_slim(builder: BuilderVersion) -> DebianSlim {
    DebianSlim {
        python: None,
        builder,
    }
}

impl DebianSlim {
    /// `python_version = "3.11"`: a Python series, or an exact version such as `"3.11.7"`.
    #[must_use]
    pub const fn python_version(mut self, version: PythonVersion) -> Self {
        self.python = Some(version);
        self
    }

    /// `builder_version = "2024.10"`: the Debian suite, the exact Python of each series and the versions of the tools.
    #[must_use]
    pub const fn builder_version(mut self, version: BuilderVersion) -> Self {
        self.builder = version;
        self
    }

    /// The finished base.
    pub const fn base(self) -> Base {
        Base::DebianSlim(self)
    }
}

/// The base made by [`micromamba`].
#[derive(Clone, Copy, Debug)]
pub struct Micromamba {
    /// The Python of the conda prefix.
    pub python: PythonVersion,
    /// What the builder version pins.
    pub builder: BuilderVersion,
}

/// `micromamba(python_version = "3.11", builder_version = "2024.10")`: minimal Debian with a conda prefix, `/opt/conda`, which is the first
/// place where programs are looked for. Its Python comes from conda-forge; without `python_version` it is 3.11.
///
/// Steps of pip install into that Python. `IMAGE_CONDA_MIRROR` is where channels are taken from in place of
/// `https://conda.anaconda.org`: an address or a directory that holds them by their names.
///
/// ```
/// # use image_runtime::{Image, image};
/// const ML: Image = image!(micromamba(python_version = "3.11").micromamba_install("pytorch", channels = ["pytorch", "conda-forge"]));
/// ```
pub const fn micromamba(builder: BuilderVersion) -> Micromamba {
    Micromamba {
        python: builder.python,
        builder,
    }
}

impl Micromamba {
    /// `python_version = "3.11"`: a Python series, of which conda-forge's newest is taken, or an exact version such as `"3.11.7"`.
    #[must_use]
    pub const fn python_version(mut self, version: PythonVersion) -> Self {
        self.python = version;
        self
    }

    /// `builder_version = "2024.10"`: the Debian suite and the versions of the tools.
    #[must_use]
    pub const fn builder_version(mut self, version: BuilderVersion) -> Self {
        self.builder = version;
        self
    }

    /// The finished base.
    pub const fn base(self) -> Base {
        Base::Micromamba(self)
    }
}

/// The base made by [`from_registry`].
#[derive(Clone, Copy, Debug)]
pub struct FromRegistry {
    /// The image reference as written: `alpine:3.20`.
    pub reference: &'static str,
    /// What tells a private registry who asks.
    pub secret: Option<Secret>,
    /// The Python that is put into it.
    pub add_python: Option<PythonVersion>,
}

/// `from_registry("alpine:3.20", secret = …, add_python = "3.11")`: any image of any OCI registry, by tag or digest.
///
/// ```
/// # use image_runtime::{Image, image};
/// const ALPINE: Image = image!(from_registry("alpine:3.20").run_commands("apk add --no-cache jq"));
/// ```
pub const fn from_registry(reference: &'static str) -> FromRegistry {
    FromRegistry {
        reference,
        secret: None,
        add_python: None,
    }
}

impl FromRegistry {
    /// `secret = Secret::from_name("registry-credentials")`: the login at a private registry, in place of the one that `docker login` keeps.
    ///
    /// Its variables are `REGISTRY_USERNAME` and `REGISTRY_PASSWORD`; that of [`Secret::from_env`] holds `username:password`.
    /// No mirror is told it.
    #[must_use]
    pub const fn secret(mut self, secret: Secret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// `add_python = "3.11"`: a standalone Python is put into the image, whatever distribution it is of: a series, or an exact version.
    ///
    /// It comes from `IMAGE_PYTHON_MIRROR` and lies in `/usr/local`, which is made the first place where programs are looked for.
    #[must_use]
    pub const fn add_python(mut self, version: PythonVersion) -> Self {
        self.add_python = Some(version);
        self
    }

    /// The finished base.
    pub const fn base(self) -> Base {
        Base::FromRegistry(self)
    }
}

/// The base made by [`from_dockerfile`].
#[derive(Clone, Copy, Debug)]
pub struct FromDockerfile {
    /// The path as written.
    pub path: &'static str,
    /// What stands in it.
    pub dockerfile: Dockerfile,
    /// Where `COPY` takes its files from.
    pub context_dir: &'static str,
    /// `build_args` as written; they are in `dockerfile` already.
    pub build_args: &'static [(&'static str, &'static str)],
    /// `target` as written; it is in `dockerfile` already.
    pub target: Option<&'static str>,
    /// The Python that is put in after the instructions.
    pub add_python: Option<PythonVersion>,
    /// What `RUN --mount=type=secret` can name.
    pub secrets: &'static [Secret],
}

/// `from_dockerfile("./Dockerfile", build_args = { "VERSION": "1.2" }, context_dir = ".", target = "stage")`: a Dockerfile.
///
/// It is read while compiling, and what is wrong in it is a compile error that names its line. Its instructions become layers like
/// the steps of a chain, on every engine; the files of its context directory obey `.dockerignore`, or `Dockerfile.dockerignore`.
/// All paths are relative to the crate that writes them; without `context_dir` its folder is the context directory.
///
/// ```ignore
/// const APP: Image = image!(from_dockerfile("./Dockerfile", target = "runtime").env({ "LANG": "C.UTF-8" }));
/// ```
pub const fn from_dockerfile(path: &'static str, dockerfile: Dockerfile) -> FromDockerfile {
    FromDockerfile {
        path,
        dockerfile,
        context_dir: "",
        build_args: &[],
        target: None,
        add_python: None,
        secrets: &[],
    }
}

impl FromDockerfile {
    /// `build_args = { "VERSION": "1.2" }`: values of the Dockerfile's `ARG`s.
    #[must_use]
    pub const fn build_args(mut self, values: &'static [(&'static str, &'static str)]) -> Self {
        self.build_args = values;
        self
    }

    /// `context_dir = "."`: the directory that `COPY` and `ADD` take their files from.
    #[must_use]
    pub const fn context_dir(mut self, path: &'static str) -> Self {
        self.context_dir = path;
        self
    }

    /// `target = "stage"`: the stage that is built; without it, the last.
    #[must_use]
    pub const fn target(mut self, stage: &'static str) -> Self {
        self.target = Some(stage);
        self
    }

    /// `secrets = [Secret::from_env("TOKEN")]`: their variables are what `RUN --mount=type=secret,id=TOKEN` names. No other instruction
    /// sees them, and no layer holds them.
    #[must_use]
    pub const fn secrets(mut self, secrets: &'static [Secret]) -> Self {
        self.secrets = secrets;
        self
    }

    /// `add_python = "3.11"`: a standalone Python is put in after the Dockerfile's instructions, as for [`from_registry`].
    #[must_use]
    pub const fn add_python(mut self, version: PythonVersion) -> Self {
        self.add_python = Some(version);
        self
    }

    /// The finished base.
    pub const fn base(self) -> Base {
        Base::FromDockerfile(self)
    }
}

/// The base made by [`scratch`].
#[derive(Clone, Copy, Debug)]
pub struct Scratch;

/// `scratch()`: nothing at all. A function still runs in it: the worker brings its own libraries.
///
/// ```
/// # use image_runtime::{Image, image};
/// const NOTHING: Image = image!(scratch());
/// ```
pub const fn scratch() -> Scratch {
    Scratch
}

impl Scratch {
    /// The finished base.
    pub const fn base(self) -> Base {
        Base::Scratch
    }
}
