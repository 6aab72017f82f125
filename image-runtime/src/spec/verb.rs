//! The steps of a chain: one documented item a verb, so that an editor shows it where the verb is written.

use super::dockerfile::Dockerfile;
use super::{BuildFunction, Project, Requirements, Secret};

/// One step of a chain.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// [`apt_install`]
    AptInstall(AptInstall),
    /// [`pip_install`]
    PipInstall(PipInstall),
    /// [`pip_install_from_requirements`]
    PipInstallFromRequirements(PipInstallFromRequirements),
    /// [`pip_install_from_pyproject`]
    PipInstallFromPyproject(PipInstallFromPyproject),
    /// [`uv_sync`]
    UvSync(UvSync),
    /// [`micromamba_install`]
    MicromambaInstall(MicromambaInstall),
    /// [`run_commands`]
    RunCommands(RunCommands),
    /// [`run_function`]
    RunFunction(RunFunction),
    /// [`copy_local_file`]
    CopyLocalFile(CopyLocalFile),
    /// [`copy_local_dir`]
    CopyLocalDir(CopyLocalDir),
    /// [`add_local_file`]
    AddLocalFile(AddLocalFile),
    /// [`add_local_dir`]
    AddLocalDir(AddLocalDir),
    /// [`env`](fn@env)
    Env(Env),
    /// [`workdir`]
    Workdir(Workdir),
    /// [`entrypoint`]
    Entrypoint(Entrypoint),
    /// [`cmd`]
    Cmd(Cmd),
    /// [`shell`]
    Shell(Shell),
    /// [`dockerfile_commands`]
    DockerfileCommands(DockerfileCommands),
}

impl Step {
    /// Whether it is no part of the image, but of each container: `copy = false`.
    pub const fn is_added(&self) -> bool {
        match self {
            Self::AddLocalFile(step) => !step.copy,
            Self::AddLocalDir(step) => !step.copy,
            _ => false,
        }
    }

    /// Whether there may be files after it where there were none before.
    pub(super) const fn may_put_files_in(&self) -> bool {
        match self {
            Self::Env(_)
            | Self::Workdir(_)
            | Self::Entrypoint(_)
            | Self::Cmd(_)
            | Self::Shell(_) => false,
            Self::DockerfileCommands(step) => step.instructions.copies(),
            _ => true,
        }
    }
}

/// Makes the type of a verb, its constructor and what every step has.
macro_rules! verbs {
    ($(
        $(#[$doc:meta])*
        $function:ident => $Type:ident { $($field:ident : $ty:ty),* $(,)? } $([ $($(#[$keyword_doc:meta])* $keyword:ident : $keyword_ty:ty = $unset:expr),* ])?
    )*) => {
        $(
            #[doc = concat!("The step made by [`", stringify!($function), "`](fn@", stringify!($function), ").")]
            #[derive(Clone, Copy, Debug)]
            pub struct $Type {
                $(#[doc = concat!("`", stringify!($field), "` as written.")] pub $field: $ty,)*
                $($(#[doc = concat!("`", stringify!($keyword), "` as written.")] pub $keyword: $keyword_ty,)*)?
                /// Whether this layer and all after it are rebuilt in this run.
                pub force_build: bool,
            }

            $(#[$doc])*
            pub const fn $function($($field: $ty),*) -> $Type {
                $Type { $($field,)* $($($keyword: $unset,)*)? force_build: false }
            }

            impl $Type {
                $($(
                    $(#[$keyword_doc])*
                    #[must_use]
                    pub const fn $keyword(mut self, value: $keyword_ty) -> Self {
                        self.$keyword = value;
                        self
                    }
                )*)?

                /// `force_build = true`: this layer and all after it are rebuilt in this run.
                #[must_use]
                pub const fn force_build(mut self, force: bool) -> Self {
                    self.force_build = force;
                    self
                }

                /// The finished step.
                pub const fn step(self) -> Step {
                    Step::$Type(self)
                }
            }
        )*

        impl Step {
            /// The verb as it is written in `image!`.
            pub const fn verb(&self) -> &'static str {
                match self { $(Step::$Type(_) => stringify!($function),)* }
            }

            /// Whether `force_build = true` was written.
            pub const fn force_build(&self) -> bool {
                match self { $(Step::$Type(step) => step.force_build,)* }
            }
        }
    };
}

verbs! {
    /// `.apt_install("git", "curl=7.88.1-10+deb12u12")`: Debian packages, without recommended ones.
    ///
    /// Package lists and downloads are kept between builds, never in the layer.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const TOOLS: Image = image!(debian_slim().apt_install("ffmpeg", "graphviz"));
    /// ```
    apt_install => AptInstall { packages: &'static [&'static str] }

    /// `.pip_install("numpy==2.2.6", "pandas")`: Python packages, as PEP 508 requirements.
    ///
    /// uv does the work; wheels are kept between builds, never in the layer. An image without Python gets one.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const ML: Image = image!(debian_slim(python_version = "3.11").pip_install("numpy==2.2.6"));
    /// ```
    pip_install => PipInstall { requirements: &'static [&'static str] } [
        /// `index_url = "https://pypi.example/simple"`: the package index, in place of PyPI. `${NAME}` stands for a variable of the
        /// step's `secrets` or of the image.
        index_url: &'static str = "",
        /// `extra_index_url = "https://pypi.example/simple"`: one more package index, asked first. A package is taken from the first
        /// index that has it, unless `extra_options = "--index-strategy unsafe-best-match"` says otherwise.
        extra_index_url: &'static str = "",
        /// `find_links = "/wheels"`: a page of links, or a directory of the image, with more packages.
        find_links: &'static str = "",
        /// `pre = true`: versions before a release are taken, too.
        pre: bool = false,
        /// `extra_options = "--no-deps --no-binary numpy"`: further options of `uv pip install`, as a shell splits them.
        extra_options: &'static [&'static str] = &[],
        /// `secrets = [Secret::from_env("TOKEN")]`: variables of the environment while the step runs.
        secrets: &'static [Secret] = &[]
    ]

    /// `.pip_install_from_requirements("requirements.txt")`: what a requirements file asks for.
    ///
    /// The file, and those that it includes with `-r` and `-c`, are read and checked while compiling; an edit compiles again and makes
    /// the layer anew. Hashes, markers, comments, joined lines and `${VARIABLES}` of the environment are understood; local paths and
    /// `-e` are refused. Paths start from the crate's folder, those in a file from the file's.
    ///
    /// ```ignore
    /// # use image_runtime::{Image, image};
    /// const ML: Image = image!(debian_slim().pip_install_from_requirements("requirements.txt"));
    /// ```
    pip_install_from_requirements => PipInstallFromRequirements { path: &'static str, requirements: Requirements } [
        /// `index_url = "https://pypi.example/simple"`: the package index, in place of PyPI. `${NAME}` stands for a variable of the
        /// step's `secrets` or of the image.
        index_url: &'static str = "",
        /// `extra_index_url = "https://pypi.example/simple"`: one more package index, asked first. A package is taken from the first
        /// index that has it, unless `extra_options = "--index-strategy unsafe-best-match"` says otherwise.
        extra_index_url: &'static str = "",
        /// `find_links = "/wheels"`: a page of links, or a directory of the image, with more packages.
        find_links: &'static str = "",
        /// `pre = true`: versions before a release are taken, too.
        pre: bool = false,
        /// `extra_options = "--no-deps --no-binary numpy"`: further options of `uv pip install`, as a shell splits them.
        extra_options: &'static [&'static str] = &[],
        /// `secrets = [Secret::from_env("TOKEN")]`: variables of the environment while the step runs.
        secrets: &'static [Secret] = &[]
    ]

    /// `.pip_install_from_pyproject("pyproject.toml", optional_dependencies = ["dev"])`: what a Python project depends on.
    ///
    /// That is its `project.dependencies`, the named extras and the named dependency groups; not the project itself. The file is read
    /// and checked while compiling.
    ///
    /// ```ignore
    /// # use image_runtime::{Image, image};
    /// const ML: Image = image!(debian_slim().pip_install_from_pyproject("pyproject.toml"));
    /// ```
    pip_install_from_pyproject => PipInstallFromPyproject { path: &'static str, requirements: Requirements } [
        /// `optional_dependencies = ["dev"]`: extras of the project, by their names in `project.optional-dependencies`.
        optional_dependencies: &'static [&'static str] = &[],
        /// `dependency_groups = ["test"]`: groups of the project, by their names in `dependency-groups`.
        dependency_groups: &'static [&'static str] = &[],
        /// `index_url = "https://pypi.example/simple"`: the package index, in place of PyPI. `${NAME}` stands for a variable of the
        /// step's `secrets` or of the image.
        index_url: &'static str = "",
        /// `extra_index_url = "https://pypi.example/simple"`: one more package index, asked first. A package is taken from the first
        /// index that has it, unless `extra_options = "--index-strategy unsafe-best-match"` says otherwise.
        extra_index_url: &'static str = "",
        /// `find_links = "/wheels"`: a page of links, or a directory of the image, with more packages.
        find_links: &'static str = "",
        /// `pre = true`: versions before a release are taken, too.
        pre: bool = false,
        /// `extra_options = "--no-deps --no-binary numpy"`: further options of `uv pip install`, as a shell splits them.
        extra_options: &'static [&'static str] = &[],
        /// `secrets = [Secret::from_env("TOKEN")]`: variables of the environment while the step runs.
        secrets: &'static [Secret] = &[]
    ]

    /// `.uv_sync("./project", groups = ["test"], extras = ["gpu"])`: what a Python project's `uv.lock` pins.
    ///
    /// `pyproject.toml` and `uv.lock` are read and checked while compiling. The packages go to the image's own Python, as those of
    /// `pip_install` do; not the project itself, and no group that is not named.
    ///
    /// ```ignore
    /// # use image_runtime::{Image, image};
    /// const ML: Image = image!(debian_slim().uv_sync(".", extras = ["gpu"]));
    /// ```
    uv_sync => UvSync { path: &'static str, project: Project } [
        /// `groups = ["test"]`: dependency groups; without it none, not even `dev`.
        groups: &'static [&'static str] = &[],
        /// `extras = ["gpu"]`: extras of the project.
        extras: &'static [&'static str] = &[],
        /// `frozen = false`: the lock is renewed while building where it is missing or does not fit; else it is taken as it is.
        frozen: bool = true,
        /// `secrets = [Secret::from_env("UV_INDEX_PRIVATE_PASSWORD")]`: variables of the environment while the step runs.
        secrets: &'static [Secret] = &[]
    ]

    /// `.micromamba_install("pytorch", "pytorch-cuda=12.1", channels = ["pytorch", "nvidia"])`: conda packages, as match specs.
    ///
    /// They are solved together with what earlier steps asked for, once: a layer that exists is not solved again when a channel has newer
    /// packages. The image starts from [`micromamba`](super::base::micromamba). Packages that need a GPU's driver are found where
    /// an earlier `.env({ "CONDA_OVERRIDE_CUDA": "12.1" })` says which CUDA containers will have.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(micromamba().micromamba_install("numpy=1.26", "gdal").pip_install("requests==2.32.3"));
    /// ```
    micromamba_install => MicromambaInstall { specs: &'static [&'static str] } [
        /// `channels = ["pytorch", "nvidia"]`: where packages are looked for, the first channel that has one first. Names, addresses, or
        /// directories of this machine, relative to the crate that writes them. Without it `conda-forge`.
        channels: &'static [&'static str] = &["conda-forge"],
        /// `spec_file = "environment.yml"`: packages and channels of an environment, or a list of match specs, one a line. It is read
        /// while compiling; its channels come after those that are written.
        spec_file: &'static str = ""
    ]

    /// `.run_commands("make", "make install")`: each through `/bin/sh -c`, in order, while building; stops at the first failure.
    ///
    /// They run as root, whichever `USER` the image has: that is who later `RUN` instructions and functions are.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().run_commands("echo ready > /etc/motd"));
    /// ```
    run_commands => RunCommands { commands: &'static [&'static str] } [
        /// `secrets = [Secret::from_env("TOKEN")]`: variables of the environment while the step runs.
        secrets: &'static [Secret] = &[]
    ]

    /// `.run_function(download)`: an annotated function of the program runs in the image so far, and what it writes is kept.
    ///
    /// The function takes no parameters; its `secrets`, `env` and `timeout` count, its `image` does not. An error or a panic fails the
    /// build with all that it says. Like `run_commands`, it runs as root, in the image's working directory.
    ///
    /// It runs again when its own text, its `env` or the names of its `secrets` change, or a layer below. Spaces, comments, docs and
    /// attributes do not count, and neither does what it calls or reads: after an edit of that, write `force_build = true` once, or
    /// build with `--no-cache`.
    ///
    /// ```
    /// # use image_runtime::{Image, app, image};
    /// #[app::function]
    /// fn download() -> std::io::Result<()> {
    ///     std::fs::write("/weights", "1 2 3")
    /// }
    ///
    /// const MODEL: Image = image!(debian_slim().run_function(download));
    /// ```
    run_function => RunFunction { function: BuildFunction }

    /// `.copy_local_file("config.yaml", "/root/config.yaml")`: one file of this machine, baked into a layer.
    ///
    /// The local path is relative to the crate that writes it and must exist while compiling. The mode is kept; time and owner are normalised.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().copy_local_file("Cargo.toml", "/root/Cargo.toml"));
    /// ```
    copy_local_file => CopyLocalFile { source: &'static str, target: &'static str }

    /// `.copy_local_dir("models", "/root/models", ignore = ["*.pyc"])`: a directory of this machine, baked into a layer.
    ///
    /// A `.dockerignore` in the directory counts, and so do the patterns of `ignore`.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().copy_local_dir("src", "/root/src", ignore = ["*.tmp"]));
    /// ```
    copy_local_dir => CopyLocalDir { source: &'static str, target: &'static str } [
        /// `ignore = ["*.pyc"]`: patterns of `.dockerignore`, matched from the copied directory.
        ignore: &'static [&'static str] = &[]
    ]

    /// `.add_local_file("config.yaml", "/root/config.yaml", copy = false)`: one file of this machine.
    ///
    /// Without `copy = false` this is [`copy_local_file`]. With it, functions see the file itself, read-only: an edit needs no build,
    /// and is seen at once. No other step can follow, and the file is no part of an exported image.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().add_local_file("Cargo.toml", "/root/Cargo.toml", copy = false));
    /// ```
    add_local_file => AddLocalFile { source: &'static str, target: &'static str } [
        /// `copy = false`: put in when a container starts, in place of what the image has there.
        copy: bool = true
    ]

    /// `.add_local_dir("data", "/root/data", copy = false)`: a directory of this machine.
    ///
    /// Without `copy = false` this is [`copy_local_dir`]. With it, functions see the directory itself, read-only; where `ignore` or a
    /// `.dockerignore` leaves something out, a copy of the rest that is made once in each run of the program. No other step can
    /// follow, and the files are no part of an exported image.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().add_local_dir("src", "/root/src", copy = false));
    /// ```
    add_local_dir => AddLocalDir { source: &'static str, target: &'static str } [
        /// `ignore = ["*.pyc"]`: patterns of `.dockerignore`, matched from the directory.
        ignore: &'static [&'static str] = &[],
        /// `copy = false`: put in when a container starts, in place of what the image has there.
        copy: bool = true
    ]

    /// `.env({ "PYTHONUNBUFFERED": "1" })`: environment of the steps that follow and of the functions. No files.
    ///
    /// Values are taken as they are: `$NAME` in one is not replaced.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().env({ "LANG": "C.UTF-8" }));
    /// ```
    env => Env { variables: &'static [(&'static str, &'static str)] }

    /// `.workdir("/app")`: working directory of the steps that follow and of the functions. No files.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().workdir("/app"));
    /// ```
    workdir => Workdir { path: &'static str }

    /// `.entrypoint(["/usr/bin/tini", "--"])`: what `docker run` of the exported image starts. No files.
    ///
    /// As in a Dockerfile, it drops the command of the base; `[]` drops the entrypoint of the base. Functions run in the image all the same.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().apt_install("tini").entrypoint(["/usr/bin/tini", "--"]));
    /// ```
    entrypoint => Entrypoint { arguments: &'static [&'static str] }

    /// `.cmd(["serve", "--port=80"])`: the command of the exported image, or the arguments of its entrypoint. No files.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().cmd(["sleep", "infinity"]));
    /// ```
    cmd => Cmd { arguments: &'static [&'static str] }

    /// `.shell(["/bin/bash", "-c"])`: what each line of a later `run_commands` is handed to, in place of `/bin/sh -c`. No files.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().shell(["/bin/bash", "-euc"]).run_commands("[[ a == a* ]]"));
    /// ```
    shell => Shell { arguments: &'static [&'static str] }

    /// `.dockerfile_commands("RUN make", "COPY app /app", context_dir = ".")`: instructions as they stand in a Dockerfile.
    ///
    /// Each instruction is a layer of its own, and `ARG` holds up to the end of the step. `COPY` takes files from `context_dir`,
    /// without it from the folder of the crate that writes the step.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().dockerfile_commands("ENV A=1 B=$A", "COPY Cargo.toml /root/"));
    /// ```
    dockerfile_commands => DockerfileCommands { instructions: Dockerfile } [
        /// `context_dir = "."`: the directory that `COPY` and `ADD` take their files from.
        context_dir: &'static str = "",
        /// `secrets = [Secret::from_env("TOKEN")]`: their variables are what `RUN --mount=type=secret,id=TOKEN` names.
        secrets: &'static [Secret] = &[]
    ]
}
