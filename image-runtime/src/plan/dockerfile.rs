//! Gives the words of Dockerfile instructions their values: from the environment so far and the `ARG`s of the stage.

mod ports;

use super::conda;
use super::lower::python_first;
use super::{Chain, Config, Healthcheck, Origin, Part, ResolvedBase};
use crate::digest::Digest;
use crate::spec::dockerfile::{
    CommandLine, Copy, Instruction, Kind, Mount, MountKind, Otherwise, Piece, Run, Source, Word,
};
use crate::spec::{Place, Step};

/// What a shell form is handed to where nothing else is said.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// An instruction whose words have values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// A command, with the `ARG`s that its environment holds besides.
    Run {
        /// Program and arguments; of a script, nothing.
        argv: Vec<String>,
        /// The text of a program.
        script: Option<&'static str>,
        /// The `ARG`s that have a value.
        arguments: Vec<(String, String)>,
        /// What it sees besides the image.
        mounts: Vec<MountSpec>,
    },
    /// Files.
    Copy(CopySpec),
    /// Environment.
    Env(Vec<(String, String)>),
    /// Nothing that outlives its stage: `ARG`.
    Nothing,
    /// The working directory, absolute.
    Workdir(String),
    /// The user.
    User(String),
    /// The shell.
    Shell(Vec<String>),
    /// What is started.
    Entrypoint(Vec<String>),
    /// The command.
    Cmd(Vec<String>),
    /// Labels.
    Label(Vec<(String, String)>),
    /// Ports.
    Expose(Vec<String>),
    /// Directories that are volumes.
    Volume(Vec<String>),
    /// The signal that ends it.
    StopSignal(String),
    /// How it is asked whether it is well.
    Healthcheck(Healthcheck),
}

/// What a command sees while it runs; the fields are those of [`Mount`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// What it is.
    pub kind: MountKind,
    /// Where it is, absolute; empty for a secret that is a variable only.
    pub target: String,
    /// What it is known by, or where its files come from.
    pub name: String,
    /// The variable of a secret, or nothing.
    pub env: &'static str,
    /// See [`Mount::is_set`].
    pub is_set: bool,
}

impl MountSpec {
    /// Whether it is a cache that nobody else has meanwhile.
    pub fn is_locked(&self) -> bool {
        self.kind == MountKind::Cache && self.is_set
    }

    /// Whether it lends files.
    pub fn is_bind(&self) -> bool {
        matches!(self.kind, MountKind::Bind(_))
    }

    /// As it stands in a Dockerfile, with the name that the stage has there whose files are lent.
    pub fn flag(&self, stage: Option<&str>) -> String {
        let Self { target, name, .. } = self;
        let set = |text: &str| {
            if self.is_set {
                text.to_owned()
            } else {
                String::new()
            }
        };
        match self.kind {
            MountKind::Bind(_) => {
                let from = stage.map(|stage| format!(",from={stage}"));
                format!(
                    "--mount=type=bind{},source={name},target={target}{}",
                    from.unwrap_or_default(),
                    set(",rw")
                )
            }
            MountKind::Cache => format!(
                "--mount=type=cache,id={name},target={target}{}",
                set(",sharing=locked")
            ),
            MountKind::Tmpfs => format!("--mount=type=tmpfs,target={target}"),
            MountKind::Secret => {
                let mut flag = format!("--mount=type=secret,id={name}");
                for (option, value) in [("target", target.as_str()), ("env", self.env)] {
                    if !value.is_empty() {
                        flag.push_str(&format!(",{option}={value}"));
                    }
                }
                flag + &set(",required=true")
            }
        }
    }
}

/// What `COPY` and `ADD` copy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySpec {
    /// Whether archives are unpacked.
    pub add: bool,
    /// Where the files come from.
    pub from: Source,
    /// Paths there, or patterns.
    pub sources: Vec<String>,
    /// What is fetched: `http://…` and `https://…`.
    pub addresses: Vec<String>,
    /// What the only address is to hold.
    pub checksum: Option<Digest>,
    /// Files whose text stands in the Dockerfile: name and text.
    pub documents: Vec<(String, String)>,
    /// Where they go: absolute, with a `/` at the end where it is known to be a directory.
    pub target: String,
    /// Who they belong to; empty for nobody in particular.
    pub owner: String,
    /// Their permissions, where given.
    pub mode: Option<u32>,
}

/// A word has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", where_text(*place, *file, *line))]
pub struct WordError {
    /// Where the `image!` stands.
    pub place: Place,
    /// The Dockerfile, where there is one.
    pub file: Option<&'static str>,
    /// The line in it.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
}

fn where_text(place: Place, file: Option<&str>, line: u32) -> String {
    match file {
        Some(file) => format!("{place}: `{file}` line {line}"),
        None => place.to_string(),
    }
}

/// Gives all instructions of a chain their values; other steps have none.
///
/// # Errors
/// A variable that must be set is not, or what has its value now makes no sense.
pub fn expand(chain: &Chain, base: &ResolvedBase) -> Result<Vec<Option<Expanded>>, WordError> {
    let mut scope = Scope {
        config: Config::of(base),
        arguments: Vec::new(),
        of: None,
    };
    let mut all = Vec::with_capacity(chain.steps.len());
    for step in &chain.steps {
        all.push(match step.part {
            Part::Verb(verb) => {
                scope.follow(verb);
                None
            }
            Part::Conda(_) => {
                conda::first(&mut scope.config);
                None
            }
            Part::Python(_) => {
                python_first(&mut scope.config);
                None
            }
            Part::Instruction(instruction, origin) => {
                scope.enter(origin);
                let expanded = scope.expand(instruction).map_err(|reason| WordError {
                    place: step.place,
                    file: origin.dockerfile.file,
                    line: instruction.line,
                    reason,
                })?;
                expanded.apply(&mut scope.config);
                Some(expanded)
            }
        });
    }
    Ok(all)
}

impl Expanded {
    /// What of it is configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        match self {
            Self::Run { .. } | Self::Copy(_) | Self::Nothing => {}
            Self::Env(variables) => {
                for (name, value) in variables {
                    config.set(name, value);
                }
            }
            Self::Workdir(path) => config.workdir.clone_from(path),
            Self::User(user) => config.user.clone_from(user),
            Self::Shell(argv) => config.shell.clone_from(argv),
            Self::Entrypoint(argv) => config.entrypoint.clone_from(argv),
            Self::Cmd(argv) => config.cmd.clone_from(argv),
            Self::Label(labels) => {
                for (name, value) in labels {
                    config.labels.retain(|(known, _)| known != name);
                    config.labels.push((name.clone(), value.clone()));
                }
            }
            Self::Expose(ports) => add_new(&mut config.exposed, ports),
            Self::Volume(paths) => add_new(&mut config.volumes, paths),
            Self::StopSignal(signal) => config.stop_signal.clone_from(signal),
            Self::Healthcheck(check) => config.healthcheck = Some(check.clone()),
        }
    }
}

fn add_new(known: &mut Vec<String>, new: &[String]) {
    for one in new {
        if !known.contains(one) {
            known.push(one.clone());
        }
    }
}

fn checksum(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits
        .parse()
        .map_err(|_| format!("`--checksum={text}` must be `sha256:` and 64 hexadecimal digits"))
}

/// What words can refer to.
struct Scope {
    config: Config,
    /// The `ARG`s so far; those without a value have none.
    arguments: Vec<(String, String)>,
    /// The stage they belong to.
    of: Option<(*const (), usize)>,
}

impl Scope {
    fn follow(&mut self, verb: &Step) {
        match verb {
            Step::Env(step) => {
                for (name, value) in step.variables {
                    self.config.set(name, value);
                }
            }
            Step::Workdir(step) => step.path.clone_into(&mut self.config.workdir),
            Step::Shell(step) => {
                self.config.shell = step.arguments.iter().map(ToString::to_string).collect();
            }
            _ => {}
        }
    }

    /// `ARG`s end with their stage.
    fn enter(&mut self, origin: Origin) {
        let stage = Some((std::ptr::from_ref(origin.dockerfile).cast(), origin.stage));
        if self.of != stage {
            self.arguments.clear();
            self.of = stage;
        }
    }

    fn expand(&mut self, instruction: &Instruction) -> Result<Expanded, String> {
        Ok(match instruction.kind {
            Kind::Run(run, mounts) => {
                let (argv, script) = match run {
                    Run::Command(command) => (self.argv(command), None),
                    Run::Script(text) => (Vec::new(), Some(text)),
                };
                let mounts = mounts.iter().map(|mount| self.mount(mount));
                Expanded::Run {
                    argv,
                    script,
                    arguments: self.arguments.clone(),
                    mounts: mounts.collect::<Result<_, String>>()?,
                }
            }
            Kind::Copy(copy) => Expanded::Copy(self.copy(&copy)?),
            Kind::Env(variables) => Expanded::Env(
                variables
                    .iter()
                    .map(|(name, value)| Ok(((*name).to_owned(), self.value(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            Kind::Arg(arguments) => {
                for (name, value) in arguments {
                    let Some(value) = value else { continue };
                    let value = self.value(value)?;
                    self.arguments.retain(|(known, _)| known != name);
                    self.arguments.push(((*name).to_owned(), value));
                }
                Expanded::Nothing
            }
            Kind::Workdir(path) => Expanded::Workdir(self.absolute(&self.value(path)?)),
            Kind::User(user) => Expanded::User(self.value(user)?),
            Kind::Shell(argv) => Expanded::Shell(argv.iter().map(ToString::to_string).collect()),
            Kind::Entrypoint(line) => Expanded::Entrypoint(self.argv(line)),
            Kind::Cmd(line) => Expanded::Cmd(self.argv(line)),
            Kind::Label(labels) => Expanded::Label(
                labels
                    .iter()
                    .map(|(name, value)| Ok((self.value(name)?, self.value(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            Kind::Expose(ports) => {
                let words = self.values(ports)?;
                let words = words.iter().flat_map(|word| word.split_whitespace());
                let all = words.map(ports::each).collect::<Result<Vec<_>, _>>()?;
                Expanded::Expose(all.concat())
            }
            Kind::Volume(paths) => Expanded::Volume(self.values(paths)?),
            Kind::StopSignal(signal) => Expanded::StopSignal(self.value(signal)?),
            Kind::Healthcheck(check) => Expanded::Healthcheck(Healthcheck {
                test: match check.test {
                    None => vec!["NONE".to_owned()],
                    Some(CommandLine::Shell(line)) => vec!["CMD-SHELL".to_owned(), line.to_owned()],
                    Some(CommandLine::Exec(argv)) => std::iter::once("CMD")
                        .chain(argv.iter().copied())
                        .map(str::to_owned)
                        .collect(),
                },
                interval: check.interval,
                timeout: check.timeout,
                start_period: check.start_period,
                retries: check.retries,
            }),
        })
    }

    fn mount(&self, mount: &Mount) -> Result<MountSpec, String> {
        let target = self.value(mount.target)?;
        let name = self.value(mount.name)?;
        Ok(MountSpec {
            kind: mount.kind,
            target: match target.is_empty() {
                true => target,
                false => self.absolute(&target),
            },
            name,
            env: mount.env,
            is_set: mount.is_set,
        })
    }

    fn copy(&self, copy: &Copy) -> Result<CopySpec, String> {
        let target = self.value(copy.target)?;
        let several = copy.sources.len() + copy.documents.len() > 1;
        let is_directory = target.is_empty()
            || target.ends_with('/')
            || target == "."
            || target.ends_with("/.")
            || several;
        let mut target = self.absolute(&target);
        if is_directory && !target.ends_with('/') {
            target.push('/');
        }
        let mode = match copy.chmod {
            None => None,
            Some(word) => {
                let text = self.value(word)?;
                let mode = u32::from_str_radix(&text, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                Some(mode.ok_or_else(|| format!("`--chmod={text}` must be octal digits"))?)
            }
        };
        let is_address = |source: &String| {
            copy.add && (source.starts_with("http://") || source.starts_with("https://"))
        };
        let (addresses, sources) = self
            .values(copy.sources)?
            .into_iter()
            .partition::<Vec<_>, _>(is_address);
        let checksum = match copy.checksum {
            None => None,
            Some(word) => Some(checksum(&self.value(word)?)?),
        };
        if checksum.is_some() && addresses.len() != 1 {
            return Err("`--checksum` is of one address, and this `ADD` has none".to_owned());
        }
        Ok(CopySpec {
            add: copy.add,
            from: copy.from,
            sources,
            addresses,
            checksum,
            documents: copy
                .documents
                .iter()
                .map(|(name, content)| Ok(((*name).to_owned(), self.value(content)?)))
                .collect::<Result<_, String>>()?,
            target,
            owner: copy
                .chown
                .map(|word| self.value(word))
                .transpose()?
                .unwrap_or_default(),
            mode,
        })
    }

    /// A command line as it is started.
    fn argv(&self, line: CommandLine) -> Vec<String> {
        match line {
            CommandLine::Exec(argv) => argv.iter().map(ToString::to_string).collect(),
            CommandLine::Shell(line) => {
                let mut argv = self.config.shell.clone();
                if argv.is_empty() {
                    argv = SHELL.map(str::to_owned).into();
                }
                argv.push(line.to_owned());
                argv
            }
        }
    }

    fn values(&self, words: &[Word]) -> Result<Vec<String>, String> {
        words.iter().map(|word| self.value(word)).collect()
    }

    fn value(&self, word: Word) -> Result<String, String> {
        let mut text = String::new();
        for piece in word {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Variable {
                    name,
                    otherwise,
                    empty_is_unset,
                } => {
                    let is = self
                        .variable(name)
                        .filter(|value| !(*empty_is_unset && value.is_empty()));
                    match (otherwise, is) {
                        (Otherwise::Default(word), None) => text.push_str(&self.value(word)?),
                        (Otherwise::Alternative(word), Some(_)) => {
                            text.push_str(&self.value(word)?);
                        }
                        (Otherwise::Required(word), None) => {
                            return Err(format!("`{name}` must be set: {}", self.value(word)?));
                        }
                        (Otherwise::Alternative(_), None) => {}
                        (_, is) => text.push_str(is.unwrap_or_default()),
                    }
                }
            }
        }
        Ok(text)
    }

    /// The environment comes before arguments of the same name.
    fn variable(&self, name: &str) -> Option<&str> {
        let of = |variables: &'_ [(String, String)]| {
            variables.iter().position(|(known, _)| known == name)
        };
        let env = of(&self.config.env).map(|index| &self.config.env[index].1);
        env.or_else(|| of(&self.arguments).map(|index| &self.arguments[index].1))
            .map(String::as_str)
    }

    /// A path from the working directory, without `.` and `..`.
    fn absolute(&self, path: &str) -> String {
        let mut names: Vec<&str> = Vec::new();
        let start = if path.starts_with('/') {
            ""
        } else {
            &self.config.workdir
        };
        for name in start.split('/').chain(path.split('/')) {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop();
                }
                name => names.push(name),
            }
        }
        format!("/{}", names.join("/"))
    }
}
