//! The arguments.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::timings::Timings;
use crate::base::oci::reference::is_name;
use crate::store::Bytes;

/// Runs this program: its functions run inside the container images they name.
#[derive(Debug, Parser)]
#[command(
    after_help = "Without a command, the body of `main` runs; where it has none, `deploy`.",
    disable_help_subcommand = true
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Option<Verb>,

    /// Print machine-readable output on stdout
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Print nothing but errors, notes, results and what functions print
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

impl Arguments {
    /// Why there is nothing that `--json` could change, where it stands nevertheless.
    pub(super) fn without_json(&self) -> Option<&'static str> {
        match &self.verb {
            _ if !self.json => None,
            None => Some("`--json` goes with a command: the body of `main` prints what it likes"),
            Some(Verb::Shell(_)) => Some(
                "`shell` has no `--json`: it shows what is printed inside as it is. \
                 `call FUNCTION --json` prints a result as JSON",
            ),
            Some(_) => None,
        }
    }
}

/// A command, ready to run.
#[derive(Debug)]
pub(crate) struct Command {
    pub(super) verb: Verb,
    pub(super) json: bool,
    pub(super) package: &'static str,
    pub(super) timings: Timings,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Build images: all of them, or those that are named
    Build(Build),
    /// Write down in `image.lock` what all images hold: bases, packages, tools
    Lock(Lock),
    /// List the images that this program defines
    Images,
    /// List the functions that this program annotates
    Functions,
    /// Print an image as a Dockerfile
    Render(Render),
    /// Call a function with arguments in JSON
    Call(Call),
    /// Open a shell in a container of an image, or in one as a function runs in
    Shell(Shell),
    /// List the containers that run now, of all programs
    Ps,
    /// End containers: their calls fail, and the programs that made them go on
    Stop(Stop),
    /// Print what functions printed, also after their programs have ended
    Logs(Logs),
    /// Push an image to a registry
    Push(Push),
    /// Write an image as files that other tools take
    Export(Export),
    /// Keep secrets that images and functions name with `Secret::from_name`
    #[command(subcommand)]
    Secret(Secret),
    /// Look after volumes that functions name with `Volume::from_name`
    #[command(subcommand)]
    Volume(Volume),
    /// Show what this program finds on this machine
    Doctor(Doctor),
    /// Remove layers that were not used for long, and what killed programs left
    Prune(Prune),
    /// Have the functions run in the background until they are stopped, for all runs of this build
    Deploy,
    /// The same here, until Ctrl-C, and anew whenever the program is built again
    Serve,
}

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Images, as `images` calls them
    pub(super) images: Vec<String>,

    /// Ask again what the base images are, even if that was asked today
    #[arg(long)]
    pub(super) pull: bool,

    /// Build every layer, and replace those that exist
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Build every layer for this run alone, and leave those that exist as they are
    #[arg(long, conflicts_with = "no_cache")]
    pub(super) ignore_cache: bool,

    /// Build exactly what `image.lock` says, or fail
    #[arg(long, conflicts_with = "pull")]
    pub(super) locked: bool,

    /// Say of each layer why it is built or reused, before any is built
    #[arg(long)]
    pub(super) explain: bool,

    /// Say where the time went, layer by layer
    #[arg(long)]
    pub(super) timings: bool,
}

#[derive(Debug, Args)]
pub(super) struct Render {
    /// An image, as `images` calls it
    pub(super) image: String,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    /// Ask for everything anew, in place of keeping what is locked and still fits
    #[arg(long)]
    pub(super) update: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The result is JSON on standard output; of a stream, each item is. JSON has no number that is none or infinite: `NaN`, `inf` and
`-inf` are `null` there.")]
pub(super) struct Call {
    /// A function, as `functions` calls it
    pub(super) function: String,

    /// Its arguments, each one JSON value
    #[arg(allow_negative_numbers = true)]
    pub(super) arguments: Vec<String>,

    /// Say where the time of the call went
    #[arg(long)]
    pub(super) timings: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal, the shell has one of its own. Elsewhere it takes commands from standard input. The exit code is the shell's,
127 where the image has no such program, 126 where that cannot be run.
The container is removed at the end, with all that was written in it but its volumes. What is printed in it is shown as it is:
the values of a function's secrets are not masked.")]
pub(super) struct Shell {
    /// An image, as `images` calls it, or a function, as `functions` does
    pub(super) name: String,

    /// A program to run in place of the shell, with its arguments
    #[arg(last = true)]
    pub(super) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Stop {
    /// A function or a class, whose calls that have not begun are cancelled, too; a container, as `ps` calls it; or an app that is deployed
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(super) name: Option<String>,

    /// All containers of all programs, and all that is deployed
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Kept are the last lines of each program, up to 16 MiB, until two weeks after its end, and of all ended programs together the
newest 64 MiB. With `--json`, each line is an object.")]
pub(super) struct Logs {
    /// A function, a class, a container, or what this program is deployed as; without one, all of them
    pub(super) name: Option<String>,

    /// Go on with what is printed from now on, until interrupted
    #[arg(long, short)]
    pub(super) follow: bool,

    /// Leave out what is older: `30s`, `10m`, `2h`, `1d`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) since: Option<Ago>,
}

/// So long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ago(pub(super) Duration);

impl FromStr for Ago {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "a time is a whole number with a unit: `30s`, `10m`, `2h`, `1d`";
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &text[..text.len() - unit.len()];
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(EXPECTED),
        };
        let count: u64 = digits.parse().map_err(|_| EXPECTED)?;
        let seconds = count.checked_mul(seconds).ok_or(EXPECTED)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// What an image is to be called: `registry.example/team/app:1`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImageName(pub(super) String);

impl FromStr for ImageName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match is_name(text) {
            true => Ok(Self(text.to_owned())),
            false if text.contains('@') => {
                Err("a name with a digest names what is there already: give a tag")
            }
            false => Err(
                "a name is `[registry/]path[:tag]`: the path of lower-case letters and digits, joined by `.`, `_`, `__`, `-` and `/`, \
                 the tag of 1 to 128 letters, digits, `_`, `.` and `-`",
            ),
        }
    }
}

/// Where files of an image are to be.
#[derive(Clone, Debug)]
pub(super) struct ExportPath(pub(super) PathBuf);

impl ExportPath {
    /// Endings of files that are no archives of ours: nobody calls a directory so.
    const OTHER: [&str; 8] = ["7z", "bz2", "gz", "tgz", "txz", "xz", "zip", "zst"];
}

impl FromStr for ExportPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let end = path.extension().and_then(|end| end.to_str());
        match end.is_some_and(|end| Self::OTHER.contains(&end)) {
            true => Err("the file of an image ends in `.tar`; any other path is a directory"),
            false => Ok(Self(path)),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Push {
    /// An image, as `images` calls it
    pub(super) image: String,

    /// What it is to be called there: `registry.example/team/app:1`
    pub(super) reference: ImageName,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// An image, as `images` calls it
    pub(super) image: String,

    /// A file that ends in `.tar`, for `docker load` and as `oci-archive:PATH`; or a new directory, an OCI layout
    pub(super) path: ExportPath,

    /// What the image is to be called where it is loaded: `team/app:1`
    #[arg(long, short)]
    pub(super) tag: Option<ImageName>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Keep a secret: variables and their values
    Create(CreateSecret),
    /// List the secrets, without their values
    List,
    /// Remove a secret
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Volume {
    /// List the volumes, and where they are
    List,
    /// Remove a volume with all that is in it
    Delete {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateSecret {
    /// What it is to be called
    pub(super) name: String,

    /// `NAME=value`; `NAME` alone takes the value of this variable here, `NAME=-` reads it from standard input
    pub(super) variables: Vec<String>,

    /// Take also the variables of a file of `NAME=value` lines
    #[arg(long, value_name = "FILE")]
    pub(super) from_dotenv: Option<PathBuf>,

    /// Take the place of a secret of that name
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Look also whether all layers are as they were made; those that are not are made anew by the next build. Times of change tell:
    /// nothing is hashed when a layer is made, so that what a broken disk returns in place of what was written is not found
    #[arg(long)]
    pub(super) verify: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "A Docker daemon has the layers of all who use it, each once. Those that this store has\n\
                  used go, unless another layer or a container needs them; where somebody else misses\n\
                  one, it is made again. Of the caches of build steps, `--all` removes everybody's.\n\
                  What stores have left there that were deleted goes by\n\
                  `docker image prune --all --filter label=image-runtime.layer`, with all other layers."
)]
pub(super) struct Prune {
    /// Remove all layers and caches, however lately they were used
    #[arg(long)]
    pub(super) all: bool,

    /// Remove also the least recently used layers, until all of them take no more than this: `20GB`
    #[arg(long, value_name = "SIZE", conflicts_with = "all")]
    pub(super) keep: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_archive_is_no_directory() {
        for good in ["app.tar", "app", "app-1.2", "./a.d/app"] {
            assert!(good.parse::<ExportPath>().is_ok(), "{good}");
        }
        for bad in ["app.zip", "app.tar.gz", "a/app.tgz"] {
            assert!(bad.parse::<ExportPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        let seconds = |text: &str| text.parse::<Ago>().map(|ago| ago.0.as_secs());
        for (text, wanted) in [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(seconds(text), Ok(wanted));
        }
        for text in [
            "",
            "5",
            "m",
            "-1m",
            "+1m",
            "1 ",
            "10min",
            "1.5h",
            "1 m",
            "99999999999999999d",
            "1m2",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
