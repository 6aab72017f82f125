//! The commands that install Python packages. uv does the work, as a tool that is mounted for as long as a step runs.

use super::BuildError;
use super::steps::{command, shell};
use crate::engine::{Access, Mount};
use crate::plan::{Config, Pip, PlannedLayer, Sync};
use crate::protocol::Command;
use crate::secrets::Values;
use crate::store::{RunDir, Store, StoreError, open_regular, read_small};

/// Where uv lies inside.
pub(super) const UV: &str = "/dev/image-runtime/uv";
const UV_CACHE: &str = "/dev/image-runtime/uv-cache";

/// Where files that a step hands to uv lie inside.
pub(super) const FILES: &str = "/dev/image-runtime/python";

/// Where packages go of which only the cache is to have something.
const ASIDE: &str = "/dev/shm/image-runtime";

/// What every run of uv gets.
const ALWAYS: [&str; 3] = ["--no-progress", "--link-mode=copy", "--system-certs"];

/// Commands, and the files they read: those are gone when this is dropped.
#[derive(Default)]
pub(super) struct Installation {
    pub(super) commands: Vec<Command>,
    pub(super) mounts: Vec<Mount>,
    files: Option<RunDir>,
}

impl Installation {
    /// No commands yet, and files for them.
    pub(super) fn with_files(
        store: &Store,
        texts: &[(&str, &str)],
        access: Access,
    ) -> Result<Self, StoreError> {
        let files = written(store, texts)?;
        Ok(Self {
            commands: Vec::new(),
            mounts: vec![mount(&files, access)],
            files: Some(files),
        })
    }

    /// A file that the commands wrote.
    pub(super) fn read(&self, name: &str) -> Option<String> {
        let file = open_regular(&self.files.as_ref()?.path().join(name)).ok()?;
        String::from_utf8(read_small(file).ok()?).ok()
    }
}

/// Installs packages that nothing but their names says.
pub(super) fn packages(names: &[&str]) -> Installation {
    let mut install = uv_pip("install");
    install.argv.push("--".into());
    install.argv.extend(names.iter().map(ToString::to_string));
    Installation {
        commands: vec![install],
        ..Installation::default()
    }
}

/// Installs what a step asks for.
pub(super) fn install(
    pip: &Pip,
    layer: &PlannedLayer,
    secrets: &Values,
    store: &Store,
) -> Result<Installation, BuildError> {
    let variables = Variables { layer, secrets };
    let mut install = uv_pip("install");
    let argv = &mut install.argv;
    argv.extend(options(pip, &variables)?);
    let mut files = None;
    if let Some((requirements, _)) = &pip.file {
        let mut texts = vec![("requirements.txt", requirements.text)];
        argv.extend(["-r".into(), format!("{FILES}/requirements.txt")]);
        if !requirements.constraints.is_empty() {
            texts.push(("constraints.txt", requirements.constraints));
            argv.extend(["-c".into(), format!("{FILES}/constraints.txt")]);
        }
        for (_, text) in &texts {
            // uv itself puts their values in; what is missing it would take as it stands.
            variables.put_into(text)?;
        }
        files = Some(written(store, &texts)?);
    }
    if !pip.list.is_empty() {
        argv.push("--".into());
        for requirement in pip.list {
            argv.push(variables.put_into(requirement)?);
        }
    }
    Ok(Installation {
        commands: vec![install],
        mounts: files
            .iter()
            .map(|folder| mount(folder, Access::Read))
            .collect(),
        files,
    })
}

/// The options of a step that are no packages.
pub(super) fn options(pip: &Pip, variables: &Variables<'_>) -> Result<Vec<String>, BuildError> {
    let mut options = Vec::new();
    for (option, url) in [
        ("--default-index", pip.index_url),
        ("--extra-index-url", pip.extra_index_url),
        ("--find-links", pip.find_links),
    ] {
        if !url.is_empty() {
            options.extend([option.to_owned(), variables.put_into(url)?]);
        }
    }
    if pip.pre {
        options.push("--prerelease=allow".into());
    }
    options.extend(pip.extra_options.iter().map(ToString::to_string));
    if let Some((requirements, _)) = &pip.file {
        options.extend(requirements.options.iter().map(ToString::to_string));
    }
    Ok(options)
}

/// Installs what the lock of a project pins, into the image's own Python.
pub(super) fn sync(sync: &Sync, store: &Store) -> Result<Installation, BuildError> {
    let mut texts = vec![("pyproject.toml", sync.project.pyproject)];
    if !sync.project.lock.is_empty() {
        texts.push(("uv.lock", sync.project.lock));
    }
    let folder = written(store, &texts)?;
    let mut words = vec![
        "sync",
        "--project",
        FILES,
        "--no-install-project",
        "--inexact",
    ];
    words.extend(ALWAYS);
    words.push("--no-default-groups");
    if sync.frozen {
        words.push("--frozen");
    }
    for group in sync.groups {
        words.extend(["--group", group]);
    }
    for extra in sync.extras {
        words.extend(["--extra", extra]);
    }
    // Names were checked while compiling: nothing in them means anything to a shell.
    let mut install = shell(&format!(
        "UV_PROJECT_ENVIRONMENT=$(python3 -c 'import sys; print(sys.prefix)') exec {UV} {}",
        words.join(" ")
    ));
    install.env = environment();
    Ok(Installation {
        commands: vec![install],
        mounts: vec![mount(&folder, Access::Passing)],
        files: Some(folder),
    })
}

/// The same commands for the cache alone: what they install goes where nothing of it is kept, and nothing is compiled.
pub(super) fn for_cache(commands: &[Command]) -> Vec<Command> {
    let mut commands = commands.to_vec();
    for command in &mut commands {
        for word in &mut command.argv {
            *word = word.replace("--link-mode=copy", "--link-mode=symlink");
            if let Some((_, sync)) = word.split_once(" exec ") {
                *word = format!("UV_PROJECT_ENVIRONMENT={ASIDE} exec {sync}");
            }
        }
        if let [UV, "pip", "install", ..] = words(command)[..] {
            command.argv.insert(3, format!("--target={ASIDE}"));
        }
        command.env.push(("UV_NO_BUILD".into(), "1".into()));
    }
    commands
}

/// What is typed for a command of ours, as far as it is one of uv.
pub(super) fn typed(command: &Command) -> Option<String> {
    let text = match words(command)[..] {
        [UV, "pip", verb, ref rest @ ..] => {
            let ours = |word: &&&str| {
                ALWAYS.contains(*word)
                    || ["--system", "--break-system-packages", "--no-config", "--"].contains(*word)
            };
            let rest = rest.iter().filter(|word| !ours(word));
            format!(
                "uv pip {verb} {}",
                rest.copied().collect::<Vec<_>>().join(" ")
            )
        }
        ["/bin/sh", "-c", line] => {
            let (_, rest) = line.split_once(&format!("exec {UV} "))?;
            let rest = ALWAYS.iter().fold(rest.to_owned(), |rest, ours| {
                rest.replace(&format!("{ours} "), "")
            });
            format!("uv {rest}")
        }
        _ => return None,
    };
    Some(
        text.replace(&format!("{FILES}/"), "")
            .replace(&format!("--project {FILES} "), ""),
    )
}

fn words(command: &Command) -> Vec<&str> {
    command.argv.iter().map(String::as_str).collect()
}

/// What uv is mounted with.
pub(super) fn mounts(program: std::path::PathBuf) -> Vec<Mount> {
    vec![
        Mount::Local {
            source: program,
            target: UV.into(),
            access: Access::Read,
        },
        Mount::Cache {
            name: "uv".into(),
            target: UV_CACHE.into(),
        },
    ]
}

/// `uv pip install` or `uv pip compile`, for the image's own Python.
pub(super) fn uv_pip(verb: &str) -> Command {
    let mut words = vec![UV, "pip", verb, "--system", "--no-config"];
    if verb == "install" {
        words.push("--break-system-packages");
    }
    words.extend(ALWAYS);
    let mut install = command(&words);
    install.env = environment();
    install
}

fn environment() -> Vec<(String, String)> {
    vec![
        ("UV_CACHE_DIR".into(), UV_CACHE.into()),
        ("UV_PYTHON_DOWNLOADS".into(), "never".into()),
    ]
}

fn written(store: &Store, texts: &[(&str, &str)]) -> Result<RunDir, StoreError> {
    let folder = store.run_dir()?;
    for (name, text) in texts {
        let path = folder.path().join(name);
        std::fs::write(&path, text).map_err(|source| StoreError::io("write", &path, source))?;
    }
    Ok(folder)
}

fn mount(folder: &RunDir, access: Access) -> Mount {
    Mount::Local {
        source: folder.path().to_owned(),
        target: FILES.into(),
        access,
    }
}

/// What `${NAME}` stands for: a variable of the step's secrets, or of the image.
pub(super) struct Variables<'a> {
    pub(super) layer: &'a PlannedLayer,
    pub(super) secrets: &'a Values,
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let Config { env, .. } = &self.layer.config;
        let of_image = env.iter().find(|(known, _)| known == name);
        let of_image = of_image.map(|(_, value)| value.as_str());
        self.secrets.get(name).or(of_image)
    }

    /// The text with the values of its variables.
    pub(super) fn put_into(&self, text: &str) -> Result<String, BuildError> {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_name = |name: &&str| {
                name.bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            };
            match part
                .split_once('}')
                .filter(|(name, _)| !name.is_empty() && is_name(name))
            {
                Some((name, rest)) => {
                    let value = self.get(name).ok_or_else(|| BuildError::NoVariable {
                        step: self.layer.title.clone(),
                        name: name.to_owned(),
                    })?;
                    whole.push_str(value);
                    whole.push_str(rest);
                }
                // Something else.
                None => {
                    whole.push_str("${");
                    whole.push_str(part);
                }
            }
        }
        Ok(whole)
    }
}
