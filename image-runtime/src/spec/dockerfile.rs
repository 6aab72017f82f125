//! A Dockerfile as the macros read it: words whose variables have no values yet, everything else decided.

/// Stages, from which one is built.
#[derive(Clone, Copy, Debug)]
pub struct Dockerfile {
    /// The file as written; nothing where the instructions stand in the program.
    pub file: Option<&'static str>,
    /// The stages, in order.
    pub stages: &'static [Stage],
    /// The index of the stage that is built.
    pub target: usize,
}

impl Dockerfile {
    /// Whether an instruction of any stage is `COPY` or `ADD`.
    pub(super) const fn copies(&self) -> bool {
        let mut stage = 0;
        while stage < self.stages.len() {
            let instructions = self.stages[stage].instructions;
            let mut at = 0;
            while at < instructions.len() {
                if let Kind::Copy(_) = instructions[at].kind {
                    return true;
                }
                at += 1;
            }
            stage += 1;
        }
        false
    }
}

/// A `FROM` and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// What it starts from.
    pub base: Source,
    /// What follows.
    pub instructions: &'static [Instruction],
}

/// Where files come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: `FROM scratch`.
    Nothing,
    /// The context directory: `COPY` without `--from`.
    Context,
    /// An earlier stage, by its index.
    Stage(usize),
    /// An image of a registry.
    Image(&'static str),
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Its line in the file, from 1.
    pub line: u32,
    /// As written, on one line.
    pub text: &'static str,
    /// What it says.
    pub kind: Kind,
}

/// A text whose variables have no values yet.
pub type Word = &'static [Piece];

/// A part of a [`Word`].
#[derive(Clone, Copy, Debug)]
pub enum Piece {
    /// Text.
    Text(&'static str),
    /// `${NAME:-word}`
    Variable {
        /// `NAME`
        name: &'static str,
        /// What it gives besides its value.
        otherwise: Otherwise,
        /// Whether an empty value is as good as none: the colon.
        empty_is_unset: bool,
    },
}

/// What a variable gives besides its value.
#[derive(Clone, Copy, Debug)]
pub enum Otherwise {
    /// Nothing.
    Nothing,
    /// `-`: this, where it has no value.
    Default(Word),
    /// `+`: this, where it has one, and nothing where it has none.
    Alternative(Word),
    /// `?`: an error that says this, where it has none.
    Required(Word),
}

/// What an instruction says.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `RUN`, with what the command sees besides the image.
    Run(Run, &'static [Mount]),
    /// `COPY` and `ADD`
    Copy(Copy),
    /// `ENV`
    Env(&'static [(&'static str, Word)]),
    /// `ARG`, with the value that the build knows for it.
    Arg(&'static [(&'static str, Option<Word>)]),
    /// `WORKDIR`
    Workdir(Word),
    /// `USER`
    User(Word),
    /// `SHELL`
    Shell(&'static [&'static str]),
    /// `ENTRYPOINT`
    Entrypoint(CommandLine),
    /// `CMD`
    Cmd(CommandLine),
    /// `LABEL`
    Label(&'static [(Word, Word)]),
    /// `EXPOSE`
    Expose(&'static [Word]),
    /// `VOLUME`
    Volume(&'static [Word]),
    /// `STOPSIGNAL`
    StopSignal(Word),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
}

/// A command line in one of its two forms.
#[derive(Clone, Copy, Debug)]
pub enum CommandLine {
    /// Through the shell.
    Shell(&'static str),
    /// Program and arguments.
    Exec(&'static [&'static str]),
}

/// What `RUN` runs.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A command line.
    Command(CommandLine),
    /// A here-document that begins with `#!`: a program.
    Script(&'static str),
}

/// What the command of a `RUN` sees while it runs: `--mount`
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    /// What it is.
    pub kind: MountKind,
    /// Where it is; empty for a secret that is a variable only.
    pub target: Word,
    /// What a cache or a secret is known by; of a bind, the path there.
    pub name: Word,
    /// The variable of a secret, or nothing.
    pub env: &'static str,
    /// Of a cache, whether nobody else has it meanwhile; of a bind, whether it can be written to; of a secret, whether it must be there.
    pub is_set: bool,
}

/// What a [`Mount`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context directory, of an earlier stage or of another image.
    Bind(Source),
    /// A directory that is kept between builds.
    Cache,
    /// The value of a secret.
    Secret,
    /// A directory that is empty, and goes.
    Tmpfs,
}

/// What `COPY` and `ADD` say.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// `ADD`: archives are unpacked.
    pub add: bool,
    /// Where the files come from.
    pub from: Source,
    /// Paths there, or patterns; of `ADD`, addresses too.
    pub sources: &'static [Word],
    /// Here-documents that become files: name and text.
    pub documents: &'static [(&'static str, Word)],
    /// Where they go.
    pub target: Word,
    /// `--chown`
    pub chown: Option<Word>,
    /// `--chmod`
    pub chmod: Option<Word>,
    /// `--checksum`
    pub checksum: Option<Word>,
}

/// What `HEALTHCHECK` says. Times are in nanoseconds; 0 where none is given.
#[derive(Clone, Copy, Debug)]
pub struct Healthcheck {
    /// The command; nothing for `NONE`.
    pub test: Option<CommandLine>,
    /// `--interval`
    pub interval: u64,
    /// `--timeout`
    pub timeout: u64,
    /// `--start-period`
    pub start_period: u64,
    /// `--retries`
    pub retries: u32,
}
