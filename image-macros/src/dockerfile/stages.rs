//! Stages: what each starts from, which one is built, which values its arguments have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::instruction::{self, Above};
use super::lines::{self, Line};
use super::model::{Dockerfile, Instruction, Kind, Source, Stage};
use super::words::{self, Otherwise, Piece, Word};
use super::{Place, Problem, Result, platform};
use crate::diag::{Fault, did_you_mean, nearest};
use crate::text::reference;

/// What is asked of a Dockerfile.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// As written.
    pub(crate) file: &'a str,
    /// Values of its arguments.
    pub(crate) build_args: &'a [(String, String)],
    /// Where `COPY` takes its files from.
    pub(crate) context: &'a Path,
    /// The stage that is built; without one, the last.
    pub(crate) target: Option<&'a str>,
    /// Whether there are secrets for `RUN --mount=type=secret`.
    pub(crate) has_secrets: bool,
    /// Whether this is all that was asked. What a wrong keyword was to say is not known, and so not what is wrong without it.
    pub(crate) is_whole: bool,
}

/// What may be given without being declared.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Reads a Dockerfile.
pub(crate) fn file(
    text: &str,
    request: &Request<'_>,
) -> std::result::Result<Dockerfile, Vec<Problem>> {
    let lines = lines::split(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader::new(request, lines.escape);
    let mut problems = Vec::new();
    let mut unread = Vec::new();
    for line in &lines.all {
        // What stands before the first `FROM` is wrong for that alone, and all of it in one way.
        let is_first = matches!(&*line.keyword, "FROM" | "ARG");
        if reader.stages.is_empty() && !problems.is_empty() && !is_first {
            continue;
        }
        if let Err(found) = reader.take(line) {
            problems.extend(found);
            reader.knows_arguments &= !may_be("ARG", &line.keyword);
            unread.push(&*line.keyword);
        }
    }
    let is_to_its_end = lines.unended.is_none();
    problems.extend(lines.unended);
    let last = lines.all.last().map_or(1, |line| line.number);
    if reader.stages.is_empty() && problems.is_empty() {
        let fault = Fault::new("it has no `FROM`");
        problems.push(Problem::at(
            last,
            fault.help("such as `FROM debian:bookworm-slim`"),
        ));
    }
    // What is not there may stand in a line that could not be read.
    let all_are_read = |keyword: &str| {
        let mut unread = unread.iter();
        is_to_its_end && !reader.stages.is_empty() && !unread.any(|wrong| may_be(keyword, wrong))
    };
    if request.is_whole && all_are_read("ARG") {
        problems.extend(reader.unused());
    }
    match reader.target(request.target) {
        Ok(target) if problems.is_empty() => Ok(Dockerfile {
            file: Some(request.file.to_owned()),
            stages: reader.stages,
            target,
        }),
        Err(problem) if all_are_read("FROM") => {
            problems.push(problem);
            Err(problems)
        }
        _ => Err(problems),
    }
}

/// Whether a line that could not be read may have been meant to be this instruction.
fn may_be(keyword: &str, wrong: &str) -> bool {
    wrong == keyword || !instruction::KNOWN.contains(&wrong)
}

/// Reads instructions without a `FROM`: they follow what is there.
pub(crate) fn commands(
    text: &str,
    request: &Request<'_>,
) -> std::result::Result<Dockerfile, Vec<Problem>> {
    let lines = lines::split(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader::new(request, lines.escape);
    reader.stages.push(Stage::default());
    let mut problems = Vec::new();
    for line in &lines.all {
        if line.keyword == "FROM" {
            let fault = Fault::new("`FROM` starts an image and cannot stand in a step");
            problems.push(Problem::at(
                line.number,
                fault.help("`from_dockerfile(\"./Dockerfile\")` takes whole Dockerfiles"),
            ));
            continue;
        }
        problems.extend(reader.take(line).err().into_iter().flatten());
    }
    problems.extend(lines.unended);
    match problems.is_empty() {
        true => Ok(Dockerfile {
            file: None,
            stages: reader.stages,
            target: 0,
        }),
        false => Err(problems),
    }
}

struct Reader<'a> {
    request: &'a Request<'a>,
    escape: char,
    stages: Vec<Stage>,
    /// Arguments that stand above the first `FROM`, as far as they have values.
    global: Vec<(String, String)>,
    declared: BTreeSet<String>,
    /// Arguments that stand above the first `FROM` without a value.
    unset: BTreeSet<String>,
    /// Whether all arguments are known, and so which of them have no value.
    knows_arguments: bool,
}

impl<'a> Reader<'a> {
    fn new(request: &'a Request<'a>, escape: char) -> Self {
        Self {
            request,
            escape,
            stages: Vec::new(),
            global: Vec::new(),
            declared: BTreeSet::new(),
            unset: BTreeSet::new(),
            knows_arguments: request.is_whole,
        }
    }

    fn take(&mut self, line: &Line) -> std::result::Result<(), Vec<Problem>> {
        let at = |fault| vec![Problem::at(line.number, fault)];
        if line.keyword == "FROM" {
            let stage = self.from(line).map_err(at);
            let (stage, read) = match stage {
                Ok(stage) => (stage, Ok(())),
                // What follows is a stage all the same.
                Err(problems) => (Stage::default(), Err(problems)),
            };
            self.stages.push(stage);
            return read;
        }
        if self.stages.is_empty() && line.keyword != "ARG" {
            let fault = Fault::new(format!("`{}` stands before the first `FROM`", line.keyword));
            let help = match nearest(&line.keyword, ["FROM", "ARG"]) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "only `ARG` may".to_owned(),
            };
            return Err(at(fault.help(help)));
        }
        let read = instruction::read(line, self.escape, self);
        let mut kind =
            read.map_err(|faults| faults.into_iter().flat_map(at).collect::<Vec<_>>())?;
        if let Kind::Arg(arguments) = &mut kind {
            for (name, value) in arguments {
                self.declared.insert(name.clone());
                *value = self.value(name, value.take());
                if !self.stages.is_empty() {
                    continue;
                }
                let Some(word) = value else {
                    self.unset.insert(name.clone());
                    continue;
                };
                let value = words::value_of(word, &|name| self.known(name)).map_err(at)?;
                self.global.push((name.clone(), value));
            }
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.instructions.push(Instruction {
                line: line.number,
                text: format!("{} {}", line.keyword, line.rest),
                kind,
            });
        }
        Ok(())
    }

    /// What an argument is: what the build was told, else its default, else, in a stage, what it is above the first `FROM`.
    fn value(&self, name: &str, default: Option<Word>) -> Option<Word> {
        let told = self
            .request
            .build_args
            .iter()
            .find(|(known, _)| known == name);
        let global = self.global.iter().rev().find(|(known, _)| known == name);
        told.map(|(_, value)| words::literal(value))
            .or(default)
            .or_else(|| global.map(|(_, value)| words::literal(value)))
            .or_else(|| platform::value(name).map(|value| words::literal(&value)))
    }

    /// What a name is above the first `FROM`.
    fn known(&self, name: &str) -> Option<String> {
        let global = self.global.iter().rev().find(|(known, _)| known == name);
        global
            .map(|(_, value)| value.clone())
            .or_else(|| platform::value(name))
    }

    /// `FROM [--platform=…] IMAGE [AS NAME]`
    fn from(&self, line: &Line) -> std::result::Result<Stage, Fault> {
        let (flags, rest) = instruction::flags(&line.rest, self.escape);
        for (name, value) in flags {
            let ("platform", Some(value)) = (&*name, value) else {
                return Err(instruction::unknown_flag("FROM", &name, &["platform"]));
            };
            if self.knows_arguments {
                platform::check(&self.expanded(&value)?)?;
            }
        }
        let (image, name) = match rest.split_whitespace().collect::<Vec<_>>()[..] {
            [image] => (image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => (image, Some(name)),
            _ => {
                return Err(Fault::new("`FROM` needs an image and nothing more")
                    .help("such as `FROM debian:bookworm-slim AS build`"));
            }
        };
        let name = name.map(str::to_ascii_lowercase);
        if let Some(name) = &name {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fits) {
                return Err(
                    Fault::new(format!("`{name}` cannot be the name of a stage"))
                        .help("letters, digits, `-`, `_` and `.`, starting with a letter"),
                );
            }
        }
        let word = words::word(image, self.escape)?;
        let image = words::value_of(&word, &|name| self.known(name))?;
        let base = match self.stage(&image) {
            _ if image == "scratch" => Source::Nothing,
            Some(stage) => Source::Stage(stage),
            None => match (self.reference(image), self.unset_in(&word)) {
                (Ok(image), _) => Source::Image(image),
                (Err(_), Some(_)) if !self.knows_arguments => Source::Nothing,
                (Err(fault), unset) => return Err(unset.unwrap_or(fault)),
            },
        };
        Ok(Stage {
            name,
            base,
            instructions: Vec::new(),
        })
    }

    fn expanded(&self, text: &str) -> std::result::Result<String, Fault> {
        words::value_of(&words::word(text, self.escape)?, &|name| self.known(name))
    }

    /// The last stage of that name.
    fn stage(&self, name: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| {
            stage
                .name
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    fn reference(&self, image: String) -> std::result::Result<String, Fault> {
        if image.is_empty() {
            return Err(
                Fault::new("`FROM` names no image: an argument in it has no value")
                    .help("give it a default above `FROM`, or a value in `build_args`"),
            );
        }
        reference::image(&image).map_err(|fault| {
            let names = self.stages.iter().filter_map(|stage| stage.name.as_deref());
            let near =
                nearest(&image, names).map(|near| format!("did you mean the stage `{near}`?"));
            fault.maybe_help(near)
        })?;
        Ok(image)
    }

    /// The variable of an image that has no value: without it, what is left is none.
    fn unset_in(&self, image: &Word) -> Option<Fault> {
        let mut names = image.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) if variable.otherwise == Otherwise::Nothing => {
                Some(&variable.name)
            }
            _ => None,
        });
        let name = names.find(|name| self.known(name).is_none())?;
        let fault = Fault::new(format!("`FROM` needs `{name}`, and that has no value"));
        Some(fault.help(match self.unset.contains(name) {
            true => format!(
                "write `build_args = {{ \"{name}\": \"…\" }}`, or a default: `ARG {name}=…`"
            ),
            false => format!("write `ARG {name}=…` above the first `FROM`"),
        }))
    }

    /// The index of the stage to be built.
    fn target(&self, wanted: Option<&str>) -> Result<usize> {
        let last = self.stages.len().saturating_sub(1);
        let Some(wanted) = wanted else {
            return Ok(last);
        };
        let number = wanted.parse().ok().filter(|number| *number <= last);
        self.stage(wanted).or(number).ok_or_else(|| {
            let names: Vec<_> = self
                .stages
                .iter()
                .filter_map(|stage| stage.name.as_deref())
                .collect();
            let fault = Fault::new(format!("`{}` has no stage `{wanted}`", self.request.file));
            Problem {
                place: Place::Target,
                fault: match names.is_empty() {
                    true => fault.help("`FROM … AS name` names a stage"),
                    false => fault.help(did_you_mean(wanted, "its stages", names)),
                },
            }
        })
    }

    /// Values that no `ARG` takes.
    fn unused(&self) -> impl Iterator<Item = Problem> {
        let names = self.request.build_args.iter().map(|(name, _)| name);
        let unused = names.enumerate().filter(|(_, name)| {
            !self.declared.contains(*name) && !PROXIES.contains(&&*name.to_ascii_uppercase())
        });
        let known = self.declared.iter().map(String::as_str);
        unused.map(move |(index, name)| {
            let file = self.request.file;
            let fault = Fault::new(format!("`{file}` has no `ARG {name}` that takes this"));
            Problem {
                place: Place::BuildArg(index),
                fault: fault.help(match self.declared.is_empty() {
                    true => format!("write `ARG {name}` where it is used"),
                    false => did_you_mean(name, "its arguments", known.clone()),
                }),
            }
        })
    }
}

impl Above for Reader<'_> {
    fn source(&self, name: &str) -> std::result::Result<Source, Fault> {
        // What stands last is the stage that copies.
        let above = self.stages.len().saturating_sub(1);
        let number = name.parse().ok();
        if name == "scratch" {
            return Err(Fault::new("`scratch` holds no files"));
        }
        match self.stage(name).or(number) {
            Some(stage) if stage < above => Ok(Source::Stage(stage)),
            Some(stage) if self.stages.get(stage).is_some() => {
                Err(Fault::new("a stage cannot take files from itself"))
            }
            Some(_) => Err(Fault::new(format!("there is no stage {name} above"))
                .help(format!("stages are counted from 0; {above} stand above"))),
            None if name.contains('$') => Err(Fault::new("`--from` takes no variables")
                .help("name a stage after the image: `FROM image:$TAG AS name`")),
            None => self.reference(name.to_owned()).map(Source::Image),
        }
    }

    fn has_secrets(&self) -> bool {
        self.request.has_secrets || !self.request.is_whole
    }

    fn is_there(&self, path: &str) -> std::result::Result<(), Fault> {
        let inside = inside(path);
        // What a pattern matches is only known when it is built.
        if !self.request.is_whole
            || path.contains(['*', '?', '[', '\\'])
            || self
                .request
                .context
                .join(&inside)
                .symlink_metadata()
                .is_ok()
        {
            return Ok(());
        }
        if leaves(path) {
            let fault = Fault::new(format!("`{path}` is outside of the context directory"));
            return Err(fault.help(
                "let `context_dir` name a directory that holds it, and write its path from there",
            ));
        }
        let parent = self
            .request
            .context
            .join(inside.parent().unwrap_or(Path::new("")));
        let names: Vec<String> = std::fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        let name = inside
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let near = nearest(name, names.iter().map(String::as_str));
        Err(Fault::new(format!("there is no `{path}` in the context directory"))
            .help("`context_dir` says where `COPY` takes its files from; without it, the folder of the crate's Cargo.toml")
            .maybe_help(near.map(|near| format!("did you mean `{}`?", inside.with_file_name(near).display()))))
    }
}

/// A path of the context directory, which nothing can leave.
fn inside(path: &str) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            std::path::Component::Normal(name) => inside.push(name),
            std::path::Component::ParentDir => {
                inside.pop();
            }
            _ => {}
        }
    }
    inside
}

/// Whether a path names something above the directory it starts from.
fn leaves(path: &str) -> bool {
    let mut components = Path::new(path.trim_start_matches('/')).components();
    let depths = components.try_fold(0_u32, |depth, component| match component {
        std::path::Component::Normal(_) => Some(depth + 1),
        std::path::Component::ParentDir => depth.checked_sub(1),
        _ => Some(depth),
    });
    depths.is_none()
}
