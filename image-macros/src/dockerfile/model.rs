//! A Dockerfile that is right, as far as that can be told before it is built.

use super::words::Word;

/// Stages, from which one is built.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// The file as written; nothing where the instructions stand in the program.
    pub(crate) file: Option<String>,
    pub(crate) stages: Vec<Stage>,
    /// The index of the stage that is built.
    pub(crate) target: usize,
}

/// A `FROM` and what follows it.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    pub(crate) name: Option<String>,
    pub(crate) base: Source,
    pub(crate) instructions: Vec<Instruction>,
}

/// Where files come from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// Of `FROM scratch`: nowhere.
    #[default]
    Nothing,
    /// Of a `COPY` without `--from`: the context directory.
    Context,
    /// An earlier stage.
    Stage(usize),
    /// An image of a registry.
    Image(String),
}

#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) line: u32,
    /// As written, on one line.
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run(Run, Vec<Mount>),
    Copy(Copy),
    Env(Vec<(String, Word)>),
    Arg(Vec<(String, Option<Word>)>),
    Workdir(Word),
    User(Word),
    Shell(Vec<String>),
    Entrypoint(CommandLine),
    Cmd(CommandLine),
    Label(Vec<(Word, Word)>),
    Expose(Vec<Word>),
    Volume(Vec<Word>),
    StopSignal(Word),
    Healthcheck(Healthcheck),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    /// Through the shell.
    Shell(String),
    /// Program and arguments.
    Exec(Vec<String>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Command(CommandLine),
    /// A here-document that begins with `#!`: a program.
    Script(String),
}

/// What a command sees while it runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) kind: MountKind,
    /// Nothing of a secret that is a variable only.
    pub(crate) target: Word,
    /// What a cache or a secret is known by; of a bind, the path there.
    pub(crate) name: Word,
    /// The variable of a secret.
    pub(crate) env: String,
    /// Of a cache, whether nobody else has it meanwhile; of a bind, whether it can be written to; of a secret, whether it must be there.
    pub(crate) is_set: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MountKind {
    Bind(Source),
    Cache,
    Secret,
    Tmpfs,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// `ADD`: archives are unpacked.
    pub(crate) add: bool,
    pub(crate) from: Source,
    pub(crate) sources: Vec<Word>,
    /// Here-documents: name and text.
    pub(crate) documents: Vec<(String, Word)>,
    pub(crate) target: Word,
    pub(crate) chown: Option<Word>,
    pub(crate) chmod: Option<Word>,
    /// What an address of `ADD` is to hold.
    pub(crate) checksum: Option<Word>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Healthcheck {
    /// Nothing of `NONE`.
    pub(crate) test: Option<CommandLine>,
    /// Nanoseconds; 0 where not given.
    pub(crate) interval: u64,
    pub(crate) timeout: u64,
    pub(crate) start_period: u64,
    pub(crate) retries: u32,
}
