//! One instruction: its flags, its forms, its words.

use super::json::{self, Array};
use super::lines::{Document, Line};
use super::model::{CommandLine, Copy, Healthcheck, Kind, Mount, Run, Source};
use super::mount;
use super::port::port;
use super::words::{self, Word, split, word};
use super::{Several, each};
use crate::diag::{Fault, did_you_mean, list};

type Result<T> = std::result::Result<T, Fault>;

/// The instructions that a stage holds.
pub(super) const KNOWN: [&str; 17] = [
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "ARG",
    "WORKDIR",
    "USER",
    "SHELL",
    "ENTRYPOINT",
    "CMD",
    "LABEL",
    "EXPOSE",
    "VOLUME",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "MAINTAINER",
    "FROM",
];

/// What is known of the stages above.
pub(super) trait Above {
    /// The stage of a `--from`, or the image.
    fn source(&self, name: &str) -> Result<Source>;

    /// Looks for what a `COPY` names in the context directory.
    fn is_there(&self, path: &str) -> Result<()>;

    /// Whether the build is given secrets.
    fn has_secrets(&self) -> bool;
}

/// Reads an instruction other than `FROM`.
pub(super) fn read(line: &Line, escape: char, above: &dyn Above) -> Several<Kind> {
    let reader = Reader { line, escape };
    Ok(match &*line.keyword {
        "RUN" => {
            let (run, mounts) = reader.run(above)?;
            Kind::Run(run, mounts)
        }
        "COPY" | "ADD" => Kind::Copy(reader.copy(above)?),
        "ENV" => Kind::Env(reader.pairs(|name| reader.name(name))?),
        "LABEL" => Kind::Label(reader.pairs(|name| word(name, escape))?),
        "MAINTAINER" => Kind::Label(vec![(
            words::literal("maintainer"),
            words::literal(reader.one()?),
        )]),
        "ARG" => Kind::Arg(reader.arguments()?),
        "WORKDIR" => Kind::Workdir(reader.one_word()?),
        "USER" => Kind::User(reader.one_word()?),
        "STOPSIGNAL" => Kind::StopSignal(reader.one_word()?),
        "SHELL" => match json::array(&line.rest) {
            Array::Strings(strings) if !strings.is_empty() => Kind::Shell(strings),
            _ => {
                let fault = Fault::new("`SHELL` needs a JSON array of strings");
                return Err(fault.help("such as `SHELL [\"/bin/bash\", \"-c\"]`").into());
            }
        },
        "ENTRYPOINT" => Kind::Entrypoint(reader.command_line(&line.rest)?),
        "CMD" => Kind::Cmd(reader.command_line(&line.rest)?),
        "EXPOSE" => Kind::Expose(each(&split(reader.one()?, escape), |text| {
            port(text, escape)
        })?),
        "VOLUME" => Kind::Volume(each(&reader.list()?, |text| word(text, escape))?),
        "HEALTHCHECK" => Kind::Healthcheck(reader.healthcheck()?),
        "ONBUILD" => {
            let fault = Fault::new(
                "`ONBUILD` is not kept: no image here is a base of a Dockerfile elsewhere",
            );
            let help = "write the instruction itself, or extend the image: `image!(THIS.dockerfile_commands(…))`";
            return Err(fault.help(help).into());
        }
        other => {
            let fault = Fault::new(format!("unknown instruction `{other}`"));
            return Err(fault
                .help(did_you_mean(other, "instructions", KNOWN))
                .into());
        }
    })
}

/// Flags at the beginning of an instruction (`--name=value`), and what follows them.
pub(super) fn flags(rest: &str, escape: char) -> (Vec<(String, Option<String>)>, &str) {
    let mut flags = Vec::new();
    let mut rest = rest;
    while let Some(after) = rest.strip_prefix("--") {
        // A value in quotes may hold spaces.
        let words = split(after, escape);
        let Some(flag) = words.first().filter(|flag| after.starts_with(*flag)) else {
            break;
        };
        flags.push(match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (flag.clone(), None),
        });
        rest = after[flag.len()..].trim_start();
    }
    (flags, rest)
}

/// A flag that an instruction does not have.
pub(super) fn unknown_flag(keyword: &str, name: &str, known: &[&str]) -> Fault {
    let fault = Fault::new(format!("`{keyword}` has no flag `--{name}` here"));
    match known {
        [] => fault,
        known => fault.help(format!(
            "it has {}",
            list(known.iter().map(|name| format!("--{name}")))
        )),
    }
}

struct Reader<'a> {
    line: &'a Line,
    escape: char,
}

impl Reader<'_> {
    fn keyword(&self) -> &str {
        &self.line.keyword
    }

    /// What follows the keyword; something must.
    fn one(&self) -> Result<&str> {
        match self.line.rest.trim() {
            "" => Err(self.needs("an argument")),
            rest => Ok(rest),
        }
    }

    fn needs(&self, what: &str) -> Fault {
        Fault::new(format!("`{}` needs {what}", self.keyword()))
    }

    fn one_word(&self) -> Result<Word> {
        word(self.one()?, self.escape)
    }

    /// A JSON array, or words.
    fn list(&self) -> Result<Vec<String>> {
        self.list_of(self.one()?)
    }

    fn list_of(&self, text: &str) -> Result<Vec<String>> {
        match json::array(text) {
            Array::Strings(strings) => Ok(strings),
            Array::No => Ok(text.split_whitespace().map(str::to_owned).collect()),
            Array::Mixed => Err(self.mixed()),
        }
    }

    fn mixed(&self) -> Fault {
        Fault::new(format!(
            "the JSON array of `{}` must hold strings only",
            self.keyword()
        ))
        .help("put each item in double quotes")
    }

    fn command_line(&self, text: &str) -> Result<CommandLine> {
        match json::array(text) {
            Array::Strings(strings) => Ok(CommandLine::Exec(strings)),
            Array::No => Ok(CommandLine::Shell(text.to_owned())),
            Array::Mixed => Err(self.mixed()),
        }
    }

    /// The name of a variable.
    fn name(&self, text: &str) -> Result<String> {
        let name = words::unquoted(text, self.escape);
        match name.is_empty() || name.contains(['$', '\0']) {
            true => Err(Fault::new(format!(
                "{text:?} is not a name of an environment variable"
            ))),
            false => Ok(name),
        }
    }

    /// `a=b c="d e"`, or in the old form `a b c`.
    fn pairs<N>(&self, name: impl Fn(&str) -> Result<N>) -> Several<Vec<(N, Word)>> {
        let words = split(self.one()?, self.escape);
        if !words[0].contains('=') {
            let value = self.line.rest.trim()[words[0].len()..].trim_start();
            if value.is_empty() {
                return Err(
                    Fault::new(format!("`{} {}` has no value", self.keyword(), words[0]))
                        .help(format!("write `{} {}=value`", self.keyword(), words[0]))
                        .into(),
                );
            }
            return Ok(vec![(name(&words[0])?, word(value, self.escape)?)]);
        }
        each(&words, |pair| match pair.split_once('=') {
            Some((before, value)) if !before.is_empty() => {
                Ok((name(before)?, word(value, self.escape)?))
            }
            Some(_) => Err(Fault::new(format!(
                "a name must stand before the `=` of `{pair}`"
            ))),
            None => Err(Fault::new(format!("`{pair}` must be `name=value`"))
                .help("a value with spaces stands in quotes: `name=\"a b\"`")),
        })
    }

    fn arguments(&self) -> Several<Vec<(String, Option<Word>)>> {
        each(
            &split(self.one()?, self.escape),
            |argument| match argument.split_once('=') {
                Some((name, value)) => Ok((self.name(name)?, Some(word(value, self.escape)?))),
                None => Ok((self.name(argument)?, None)),
            },
        )
    }

    fn run(&self, above: &dyn Above) -> Result<(Run, Vec<Mount>)> {
        let (flags, rest) = flags(&self.line.rest, self.escape);
        let mut mounts = Vec::new();
        for (name, value) in &flags {
            match (&**name, value.as_deref()) {
                ("network", Some("default")) | ("security", Some("sandbox")) => {}
                ("mount", Some(value)) => mounts.push(mount::read(value, self.escape, above)?),
                ("mount", None) => {
                    return Err(Fault::new("`--mount` needs a value")
                        .help("such as `--mount=type=cache,target=/root/.cache`"));
                }
                ("network" | "security", _) => {
                    return Err(Fault::new(format!(
                        "`RUN --{name}` takes its default here and nothing else"
                    )));
                }
                _ => return Err(unknown_flag("RUN", name, &["mount", "network", "security"])),
            }
        }
        Ok((self.command(rest)?, mounts))
    }

    /// What `RUN` runs.
    fn command(&self, rest: &str) -> Result<Run> {
        let documents = &self.line.documents;
        if rest.trim().is_empty() {
            return Err(self.needs("a command"));
        }
        // A document alone is the script itself.
        if let [only] = &documents[..]
            && split(rest, self.escape).len() == 1
        {
            return Ok(match only.content.starts_with("#!") {
                true => Run::Script(only.content.clone()),
                false => Run::Command(CommandLine::Shell(only.content.clone())),
            });
        }
        let command = self.command_line(rest)?;
        match command {
            CommandLine::Shell(mut line) => {
                for document in documents {
                    line.push('\n');
                    line.push_str(&document.content);
                    line.push_str(&document.name);
                }
                Ok(Run::Command(CommandLine::Shell(line)))
            }
            CommandLine::Exec(argv) if argv.is_empty() => Err(self.needs("a command")),
            exec => Ok(Run::Command(exec)),
        }
    }

    fn copy(&self, above: &dyn Above) -> Several<Copy> {
        let add = self.keyword() == "ADD";
        let (flags, rest) = flags(&self.line.rest, self.escape);
        let mut copy = Copy {
            add,
            from: Source::Context,
            sources: Vec::new(),
            documents: Vec::new(),
            target: Word::new(),
            chown: None,
            chmod: None,
            checksum: None,
        };
        for (name, value) in &flags {
            let value = value.as_deref();
            match (&**name, value) {
                ("chown", Some(value)) => copy.chown = Some(word(value, self.escape)?),
                ("chmod", Some(value)) => copy.chmod = Some(mode(value, self.escape)?),
                ("from", Some(value)) if !add => {
                    copy.from = above.source(&words::unquoted(value, self.escape))?;
                }
                // Layers are independent of what is below in any case.
                ("link", None | Some("true" | "false")) => {}
                ("checksum", Some(value)) if add => {
                    copy.checksum = Some(checksum(value, self.escape)?);
                }
                ("chown" | "chmod" | "from" | "checksum", None) => {
                    return Err(Fault::new(format!("`--{name}` needs a value")).into());
                }
                _ => {
                    let known: &[_] = match add {
                        true => &["chown", "chmod", "checksum", "link"],
                        false => &["from", "chown", "chmod", "link"],
                    };
                    return Err(unknown_flag(self.keyword(), name, known).into());
                }
            }
        }
        let mut words = self.list_of(rest)?;
        let needs = || self.needs("at least one source and a target");
        copy.target = word(&words.pop().ok_or_else(needs)?, self.escape)?;
        if words.is_empty() {
            return Err(needs().into());
        }
        let mut documents = self.line.documents.iter();
        each(&words, |text| {
            if is_document(text, &self.line.documents) {
                let document = documents.next().ok_or_else(needs)?;
                let content = match document.expands {
                    true => words::document(&document.content, self.escape)?,
                    false => words::literal(&document.content),
                };
                copy.documents.push((document.name.clone(), content));
                return Ok(());
            }
            let source = word(text, self.escape)?;
            if let (Source::Context, Some(literal)) = (&copy.from, words::text_of(&source)) {
                match is_address(&literal) {
                    true => check_address(add, &literal)?,
                    false => above.is_there(&literal)?,
                }
                if copy.checksum.is_some() && !is_address(&literal) {
                    return Err(Fault::new(format!(
                        "`--checksum` is of an address, and `{literal}` is none"
                    ))
                    .help("what lies in the context directory is hashed anyway"));
                }
            }
            copy.sources.push(source);
            Ok(())
        })?;
        if copy.checksum.is_some() && copy.sources.len() + copy.documents.len() > 1 {
            let fault = Fault::new("`--checksum` is of one address");
            return Err(fault.help("write an `ADD` for each").into());
        }
        Ok(copy)
    }

    fn healthcheck(&self) -> Result<Healthcheck> {
        let (flags, rest) = flags(&self.line.rest, self.escape);
        let mut check = Healthcheck {
            test: None,
            interval: 0,
            timeout: 0,
            start_period: 0,
            retries: 0,
        };
        for (name, value) in &flags {
            let value = value.as_deref().unwrap_or_default();
            match &**name {
                "interval" => check.interval = duration(value)?,
                "timeout" => check.timeout = duration(value)?,
                "start-period" => check.start_period = duration(value)?,
                "retries" => {
                    check.retries = value.parse().map_err(|_| {
                        Fault::new(format!("`--retries` must be a number, not {value:?}"))
                    })?;
                }
                _ => {
                    let known = ["interval", "timeout", "start-period", "retries"];
                    return Err(unknown_flag("HEALTHCHECK", name, &known));
                }
            }
        }
        let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match (kind.to_ascii_uppercase().as_str(), command.trim()) {
            ("NONE", "") if flags.is_empty() => Ok(check),
            ("CMD", command) if !command.is_empty() => {
                check.test = Some(self.command_line(command)?);
                Ok(check)
            }
            _ => Err(Fault::new(
                "`HEALTHCHECK` needs `NONE`, or `CMD` and a command",
            )),
        }
    }
}

fn is_document(text: &str, documents: &[Document]) -> bool {
    text.contains("<<")
        && documents
            .iter()
            .any(|document| text.contains(&document.name))
}

/// Octal digits, where they are known.
fn mode(text: &str, escape: char) -> Result<Word> {
    let mode = word(text, escape)?;
    match words::text_of(&mode) {
        Some(text)
            if !text.bytes().all(|byte| matches!(byte, b'0'..=b'7'))
                || text.is_empty()
                || text.len() > 5 =>
        {
            Err(Fault::new(format!("`--chmod={text}` must be octal digits"))
                .help("such as `--chmod=755`"))
        }
        _ => Ok(mode),
    }
}

/// What an address is to hold, where that is known.
fn checksum(text: &str, escape: char) -> Result<Word> {
    let checksum = word(text, escape)?;
    let fits = |text: &String| {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match words::text_of(&checksum) {
        Some(text) if !fits(&text) => Err(Fault::new(format!(
            "`--checksum={text}` must be `sha256:` and 64 hexadecimal digits"
        ))),
        _ => Ok(checksum),
    }
}

fn is_address(source: &str) -> bool {
    source.contains("://") || source.starts_with("git@")
}

/// Looks whether an address is one that `ADD` fetches.
fn check_address(add: bool, source: &str) -> Result<()> {
    let scheme = source.split_once("://").map(|(scheme, _)| scheme);
    let path = source.split(['?', '#']).next().unwrap_or_default();
    let is_git = matches!(scheme, None | Some("git" | "ssh")) || path.ends_with(".git");
    match (add, scheme) {
        (false, _) => Err(Fault::new(format!("`COPY` takes no address: `{source}`"))
            .help("`ADD` fetches `http` and `https`")),
        _ if is_git => Err(
            Fault::new(format!("`ADD` does not clone a repository: `{source}`")).help(
                "`RUN git clone …`, or `ADD` an archive of a revision and unpack it in a `RUN`",
            ),
        ),
        (true, Some("http" | "https")) => Ok(()),
        _ => Err(Fault::new(format!(
            "`ADD` fetches `http` and `https`, and nothing else: `{source}`"
        ))
        .help("`RUN` a program that fetches it")),
    }
}

/// `30s`, `1m30s`, `1.5h`: nanoseconds.
fn duration(text: &str) -> Result<u64> {
    let wrong =
        || Fault::new(format!("{text:?} is not a duration")).help("such as `30s`, `1m30s` or `1h`");
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let units = [
            ("ms", 1e6),
            ("us", 1e3),
            ("µs", 1e3),
            ("ns", 1.0),
            ("h", 3.6e12),
            ("m", 6e10),
            ("s", 1e9),
        ];
        let (unit, scale) = units
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))
            .ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
        total += number * scale;
    }
    match text {
        "" => Err(wrong()),
        _ => Ok(total as u64),
    }
}
