//! The steps of a chain: one documented item a verb, so that an editor shows it where the verb is written.

use super::dockerfile::Dockerfile;

/// One step of a chain.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// [`apt_install`]
    AptInstall(AptInstall),
    /// [`pip_install`]
    PipInstall(PipInstall),
    /// [`run_commands`]
    RunCommands(RunCommands),
    /// [`copy_local_file`]
    CopyLocalFile(CopyLocalFile),
    /// [`copy_local_dir`]
    CopyLocalDir(CopyLocalDir),
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

/// Makes the type of a verb, its constructor and what every step has.
macro_rules! verbs {
    ($(
        $(#[$doc:meta])*
        $function:ident => $Type:ident { $($field:ident : $ty:ty),* $(,)? } $([ $($(#[$keyword_doc:meta])* $keyword:ident : $keyword_ty:ty),* ])?
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
                $Type { $($field,)* $($($keyword: <$keyword_ty>::UNSET,)*)? force_build: false }
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

/// What a keyword is when it is not written.
trait Unset {
    const UNSET: Self;
}

impl Unset for &'static [&'static str] {
    const UNSET: Self = &[];
}

impl Unset for &'static str {
    const UNSET: Self = "";
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
    pip_install => PipInstall { requirements: &'static [&'static str] }

    /// `.run_commands("make", "make install")`: each through `/bin/sh -c`, in order, while building; stops at the first failure.
    ///
    /// ```
    /// # use image_runtime::{Image, image};
    /// const IMAGE: Image = image!(debian_slim().run_commands("echo ready > /etc/motd"));
    /// ```
    run_commands => RunCommands { commands: &'static [&'static str] }

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
        ignore: &'static [&'static str]
    ]

    /// `.env({ "PYTHONUNBUFFERED": "1" })`: environment of the steps that follow and of the functions. No files.
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
        context_dir: &'static str
    ]
}
