//! `RUN --mount=type=cache,target=/root/.cache,…`: what a command sees while it runs, and no layer holds.

use super::instruction::Above;
use super::model::{Mount, MountKind, Source};
use super::words::{self, Word, word};
use crate::diag::{Fault, did_you_mean};

type Result<T> = std::result::Result<T, Fault>;

const KINDS: [&str; 4] = ["bind", "cache", "secret", "tmpfs"];

/// Options as written: a name, and a value where there is one.
struct Options<'a> {
    kind: &'static str,
    written: Vec<(&'a str, Option<&'a str>)>,
    escape: char,
}

/// Reads the value of the flag.
pub(super) fn read(text: &str, escape: char, above: &dyn Above) -> Result<Mount> {
    let options = Options::split(text, escape)?;
    match options.kind {
        "bind" => options.bind(above),
        "cache" => options.cache(),
        "secret" => options.secret(above),
        _ => options.tmpfs(),
    }
}

impl<'a> Options<'a> {
    fn split(text: &'a str, escape: char) -> Result<Self> {
        let mut kind = "bind";
        let mut written = Vec::new();
        for option in text.split(',') {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (option.trim(), None),
            };
            match (name, value) {
                ("type", Some("ssh")) => {
                    return Err(Fault::new("`RUN --mount=type=ssh` lends no agent here")
                        .help("give a token by `type=secret`, and fetch by `https`"));
                }
                ("type", Some(value)) => {
                    kind = KINDS
                        .into_iter()
                        .find(|kind| *kind == value)
                        .ok_or_else(|| {
                            Fault::new(format!("`RUN --mount` has no type `{value}`"))
                                .help(did_you_mean(value, "types", KINDS))
                        })?;
                }
                _ => written.push((name, value)),
            }
        }
        Ok(Self {
            kind,
            written,
            escape,
        })
    }

    /// Refuses options of other names than these, each with its other ones.
    fn only(&self, known: &[&[&str]]) -> Result<()> {
        for (name, _) in &self.written {
            if !known.iter().any(|names| names.contains(name)) {
                let names = known.iter().map(|names| names[0]);
                let fault = Fault::new(format!(
                    "a mount of type `{}` has no `{name}` here",
                    self.kind
                ));
                return Err(fault.help(did_you_mean(name, "its options", names)));
            }
        }
        Ok(())
    }

    fn value(&self, names: &[&str]) -> Result<Option<&'a str>> {
        let mut found = self.written.iter().filter(|(name, _)| names.contains(name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, Some(value))), None) if !value.is_empty() => Ok(Some(value)),
            (Some((name, _)), None) => {
                Err(Fault::new(format!("`{name}` of `--mount` needs a value")))
            }
            (Some((name, _)), Some(_)) => {
                Err(Fault::new(format!("`{name}` of `--mount` is given twice")))
            }
        }
    }

    fn word(&self, names: &[&str]) -> Result<Option<Word>> {
        let value = self.value(names)?;
        value.map(|value| word(value, self.escape)).transpose()
    }

    /// A switch: its name alone, or with `true` or `false`.
    fn is_set(&self, names: &[&str]) -> Result<Option<bool>> {
        let mut found = self.written.iter().filter(|(name, _)| names.contains(name));
        match found.next() {
            None => Ok(None),
            Some((_, None | Some("true" | "1"))) => Ok(Some(true)),
            Some((_, Some("false" | "0"))) => Ok(Some(false)),
            Some((name, Some(value))) => Err(Fault::new(format!(
                "`{name}` of `--mount` is `true` or `false`, not `{value}`"
            ))),
        }
    }

    fn target(&self) -> Result<Word> {
        self.word(TARGET)?.ok_or_else(|| {
            Fault::new(format!("a mount of type `{}` needs a `target`", self.kind))
                .help("such as `target=/root/.cache`")
        })
    }

    fn cache(&self) -> Result<Mount> {
        self.only(&[TARGET, &["id"], &["sharing"]])?;
        let is_locked = match self.value(&["sharing"])? {
            None | Some("shared") => false,
            // Nobody else has it while it is used: that is what `private` asks for, too.
            Some("locked" | "private") => true,
            Some(other) => {
                return Err(Fault::new(format!(
                    "`sharing` is `shared`, `locked` or `private`, not `{other}`"
                )));
            }
        };
        let target = self.target()?;
        Ok(Mount {
            kind: MountKind::Cache,
            name: self.word(&["id"])?.unwrap_or_else(|| target.clone()),
            target,
            env: String::new(),
            is_set: is_locked,
        })
    }

    fn bind(&self, above: &dyn Above) -> Result<Mount> {
        self.only(&[TARGET, SOURCE, &["from"], READ_WRITE, READ_ONLY])?;
        let from = match self.value(&["from"])? {
            Some(name) => above.source(name)?,
            None => Source::Context,
        };
        let all = match from {
            Source::Context => ".",
            _ => "/",
        };
        let source = self.word(SOURCE)?.unwrap_or_else(|| words::literal(all));
        if let (Source::Context, Some(path)) = (&from, words::text_of(&source)) {
            above.is_there(&path)?;
        }
        let writable = self.is_set(READ_WRITE)?;
        let read_only = self.is_set(READ_ONLY)?.map(|read_only| !read_only);
        Ok(Mount {
            kind: MountKind::Bind(from),
            target: self.target()?,
            name: source,
            env: String::new(),
            is_set: writable.or(read_only).unwrap_or(false),
        })
    }

    fn tmpfs(&self) -> Result<Mount> {
        self.only(&[TARGET])?;
        Ok(Mount {
            kind: MountKind::Tmpfs,
            target: self.target()?,
            name: Word::new(),
            env: String::new(),
            is_set: false,
        })
    }

    fn secret(&self, above: &dyn Above) -> Result<Mount> {
        self.only(&[&["id"], TARGET, &["env"], &["required"]])?;
        let is_required = self.is_set(&["required"])?.unwrap_or(true);
        let (id, target) = (self.value(&["id"])?, self.value(TARGET)?);
        let of_target = target.and_then(|target| target.rsplit('/').next());
        let Some(id) = id.or(of_target) else {
            return Err(Fault::new("a mount of type `secret` needs an `id`")
                .help("such as `id=TOKEN`, the name of a variable of the secrets"));
        };
        if is_required && !above.has_secrets() {
            return Err(
                Fault::new(format!("nothing gives the secret `{id}`")).help(format!(
                    "name it: `secrets = [Secret::from_env(\"{id}\")]`; or write `required=false`"
                )),
            );
        }
        let env = self.value(&["env"])?;
        let target = match (target, env) {
            (Some(target), _) => word(target, self.escape)?,
            (None, Some(_)) => Word::new(),
            (None, None) => words::literal(&format!("/run/secrets/{id}")),
        };
        Ok(Mount {
            kind: MountKind::Secret,
            target,
            name: word(id, self.escape)?,
            env: env.unwrap_or_default().to_owned(),
            is_set: is_required,
        })
    }
}

const TARGET: &[&str] = &["target", "dst", "destination"];
const SOURCE: &[&str] = &["source", "src"];
const READ_WRITE: &[&str] = &["rw", "readwrite"];
const READ_ONLY: &[&str] = &["ro", "readonly"];
