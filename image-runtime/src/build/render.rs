//! Writes an image as a Dockerfile: `docker build` makes an equal root file system of it.
//!
//! What only BuildKit knows is left out where the older builder has another way: here-documents and `--chmod` become commands. For
//! secrets it has none.

mod config;
mod lent;
mod local;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use self::config::owner;
use self::local::common;
use self::words::{expanding, json, literal, quoted, word, words};
use super::{BuildError, Builder, Prepared};
use crate::context::NodeKind;
use crate::plan::{Action, BaseSource, Config, CopySpec, Pip, PlannedLayer};
use crate::spec::Image;

impl Builder {
    /// The Dockerfile of an image. Nothing is built, but what its base is has to be known.
    ///
    /// # Errors
    /// As [`Builder::plan`].
    pub async fn render(&self, image: Image) -> Result<String, BuildError> {
        let _kept = self.store.keep_downloads().await;
        let prepared = self.prepare(image).await?;
        let mut roots = Vec::new();
        prepared.local_roots(&mut roots);
        let mut writer = Writer {
            context: common(&roots),
            stages: BTreeMap::new(),
            begun: 0,
            secrets: BTreeSet::new(),
            text: String::new(),
        };
        writer.stage(&prepared);
        let mut head = format!("# Image `{}`.\n", prepared.name);
        if !writer.secrets.is_empty() {
            head += "# Secrets as variables need BuildKit 0.16 or later.\n";
        }
        if !roots.is_empty() || !writer.secrets.is_empty() {
            let secrets = writer.secrets.iter();
            let secrets = secrets.map(|name| format!(" --secret id={name},env={name}"));
            let place = match roots.is_empty() {
                true => ".".into(),
                false => writer.context.to_string_lossy(),
            };
            let _ = writeln!(
                head,
                "# docker build{} --file THIS-FILE {place}",
                secrets.collect::<String>()
            );
        }
        Ok(head + &writer.text)
    }
}

/// Runs its argument as a program.
const SCRIPT: &str = "f=$(mktemp) && printf %s \"$1\" > \"$f\" && chmod +x \"$f\" && \"$f\"; s=$?; rm -f \"$f\"; exit $s";

/// Makes a file of its second argument.
const DOCUMENT: &str = "mkdir -p \"${1%/*}/\" && printf %s \"$2\" > \"$1\" && chmod 644 \"$1\"";

struct Writer {
    /// The directory that all local paths start from.
    context: PathBuf,
    /// The names of the stages that are written, by their topmost layer.
    stages: BTreeMap<crate::digest::LayerId, String>,
    /// How many stages were begun.
    begun: usize,
    /// Variables of secrets that commands are lent.
    secrets: BTreeSet<&'static str>,
    text: String,
}

impl Writer {
    /// Writes an image as a stage, after those whose files it takes.
    fn stage(&mut self, image: &Prepared) {
        let mut below = Vec::new();
        for layer in &image.plan.layers {
            if let Action::Copy { step, .. } | Action::Run { step, .. } = layer.action {
                below.extend(image.others(step));
            }
        }
        for source in below {
            let top = source.plan.top();
            if !self.stages.contains_key(&top) {
                self.stage(source);
                self.stages.insert(top, self.name());
            }
        }
        let base = image.plan.layers.iter();
        let base = base.take_while(|layer| is_base(layer)).count();
        let mut now = self.from(&image.plan.layers[..base]);
        let mut arguments: Vec<(String, String)> = Vec::new();
        for layer in &image.plan.layers[base..] {
            if let Action::Run { env, .. } = &layer.action {
                self.arguments(&mut arguments, env);
            }
            self.surroundings(&mut now, &layer.config);
            self.layer(image, layer, &mut now);
        }
        self.surroundings(&mut now, &image.plan.config);
        self.user(&mut now, &image.plan.config.user);
        self.started(&now, &image.plan.config);
    }

    /// Writes the `FROM`; answers the configuration after it.
    fn from(&mut self, base: &[PlannedLayer]) -> Config {
        let top = &base[base.len() - 1];
        let Action::Base(source) = &base[0].action else {
            unreachable!("a plan begins with its base")
        };
        let from = match source {
            BaseSource::Scratch => "scratch".to_owned(),
            BaseSource::Registry { reference, digest } => {
                let reference = reference.split('@').next().unwrap_or(reference);
                format!("{reference}@{digest}")
            }
            BaseSource::Archive { .. } => {
                let said = base
                    .iter()
                    .map(|layer| layer.title.as_str())
                    .collect::<Vec<_>>();
                let _ = writeln!(
                    self.text,
                    "# {}: no registry has it; `build` with `IMAGE_ENGINE=docker` makes it in the daemon.",
                    said.join(", ")
                );
                format!("image-runtime/layer:{}", top.id)
            }
        };
        self.begin(&from);
        let mut now = Config {
            workdir: "/".to_owned(),
            ..Config::default()
        };
        // What a registry's image says of itself is there already.
        if matches!(source, BaseSource::Registry { .. }) {
            now.clone_from(&top.config);
        }
        now
    }

    fn begin(&mut self, from: &str) {
        self.begun += 1;
        let _ = writeln!(self.text, "FROM {from} AS {}", self.name());
    }

    /// The name of the stage that is being written.
    fn name(&self) -> String {
        format!("stage{}", self.begun)
    }

    /// `ARG`s, which end with the stage they stand in.
    fn arguments(&mut self, now: &mut Vec<(String, String)>, wanted: &[(String, String)]) {
        if now.iter().any(|one| !wanted.contains(one)) {
            let below = self.name();
            self.begin(&below);
            now.clear();
        }
        for one in wanted {
            if !now.contains(one) {
                let _ = writeln!(self.text, "ARG {}={}", one.0, quoted(&one.1));
                now.push(one.clone());
            }
        }
    }

    fn layer(&mut self, image: &Prepared, layer: &PlannedLayer, now: &mut Config) {
        let secrets = self.secrets(layer);
        match &layer.action {
            Action::Base(_) | Action::SuitePython { .. } | Action::Workdir => {}
            Action::Conda { conda, .. } => {
                let _ = writeln!(
                    self.text,
                    "# No Dockerfile runs the tool that installs {}; `build` with `IMAGE_ENGINE=docker` does it in the daemon.",
                    conda.specs.join(", ")
                );
                self.begin(&format!("image-runtime/layer:{}", layer.id));
                *now = Config {
                    workdir: "/".to_owned(),
                    ..Config::default()
                };
            }
            Action::RunFunction(function) => {
                let _ = writeln!(
                    self.text,
                    "# No Dockerfile runs `{}`, a function of this program; `build` with `IMAGE_ENGINE=docker` does it in the daemon.",
                    function.name
                );
                self.begin(&format!("image-runtime/layer:{}", layer.id));
                *now = Config {
                    workdir: "/".to_owned(),
                    ..Config::default()
                };
            }
            Action::StandalonePython { python, pip, .. } => {
                self.user(now, "");
                let _ = writeln!(
                    self.text,
                    "{}ADD {} /tmp/python/\n\
                     RUN mkdir -p /usr/local && for f in /tmp/python/*.tar.*; do test ! -e \"$f\" || tar -xf \"$f\" -C /tmp/python; done \\\n \
                     && cp -a /tmp/python/python/. /usr/local/ && rm -r /tmp/python && python3 -m pip install --no-cache-dir pip=={pip}",
                    match python.url.contains("://") {
                        true => "",
                        false =>
                            "# The next line names a file of this machine: put it into the build context, and write its path from there.\n",
                    },
                    literal(&python.url)
                );
            }
            Action::AptInstall(packages) => {
                self.user(now, "");
                let packages = packages
                    .iter()
                    .map(|name| word(name))
                    .collect::<Vec<_>>()
                    .join(" ");
                let _ = writeln!(
                    self.text,
                    "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {packages} \\\n \
                     && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/debconf/*-old \\\n    \
                     /var/lib/dpkg/*-old /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache"
                );
            }
            Action::PipInstall { pip, uv } => {
                self.user(now, "");
                self.pip_install(pip, uv, &secrets);
            }
            Action::UvSync { sync, uv } => {
                self.user(now, "");
                let files = [
                    ("pyproject.toml", sync.project.pyproject),
                    ("uv.lock", sync.project.lock),
                ];
                let mut words = "UV_PROJECT_ENVIRONMENT=$(python3 -c 'import sys; print(sys.prefix)') uv sync --project \"$d\" \
                                 --no-install-project --inexact --no-cache --link-mode=copy --no-default-groups"
                    .to_owned();
                if sync.frozen {
                    words.push_str(" --frozen");
                }
                let groups = sync.groups.iter().map(|group| ("group", group));
                for (option, name) in groups.chain(sync.extras.iter().map(|extra| ("extra", extra)))
                {
                    let _ = write!(words, " --{option} {name}");
                }
                self.uv(uv, &secrets, &words, &files);
            }
            Action::RunCommands(commands) => {
                self.user(now, "");
                for command in *commands {
                    self.run(now, &secrets, command);
                }
            }
            Action::Run {
                argv,
                script,
                mounts,
                step,
                ..
            } => {
                self.user(now, &layer.config.user);
                let flags = self.lent(image, *step, mounts);
                let shell = shell(now);
                match (script, &argv[..]) {
                    (Some(script), _) => {
                        let argv = ["sh", "-c", SCRIPT, "sh", script].map(str::to_owned);
                        let _ = writeln!(self.text, "RUN {flags}{}", json(&argv));
                    }
                    (None, [before @ .., line]) if before == shell => self.run(now, &flags, line),
                    (None, argv) => {
                        let _ = writeln!(self.text, "RUN {flags}{}", json(argv));
                    }
                }
            }
            Action::CopyFiles { step, target } => {
                if let Some(tree) = image.trees.get(step) {
                    self.copy_tree(("COPY", ""), tree, target, now);
                }
            }
            Action::Copy { step, copy } => self.copy(image, *step, copy, now),
        }
    }

    fn pip_install(&mut self, pip: &Pip, uv: &str, secrets: &str) {
        let mut words =
            "uv pip install --system --break-system-packages --no-config --no-cache --link-mode=copy".to_owned();
        for (option, url) in [
            ("--default-index", pip.index_url),
            ("--extra-index-url", pip.extra_index_url),
            ("--find-links", pip.find_links),
        ] {
            if !url.is_empty() {
                let _ = write!(words, " {option} {}", expanding(url));
            }
        }
        if pip.pre {
            words.push_str(" --prerelease=allow");
        }
        let mut files = Vec::new();
        let options = pip.file.iter().flat_map(|(file, _)| file.options);
        for option in pip.extra_options.iter().chain(options) {
            let _ = write!(words, " {}", expanding(option));
        }
        if let Some((file, _)) = &pip.file {
            files.push(("requirements.txt", file.text));
            words.push_str(" -r \"$d/requirements.txt\"");
            if !file.constraints.is_empty() {
                files.push(("constraints.txt", file.constraints));
                words.push_str(" -c \"$d/constraints.txt\"");
            }
        }
        if !pip.list.is_empty() {
            words.push_str(" --");
        }
        for requirement in pip.list {
            let _ = write!(words, " {}", expanding(requirement));
        }
        self.uv(uv, secrets, &words, &files);
    }

    /// Runs uv, with files in a directory `$d` that goes afterwards. Only BuildKit can lend a program to a command.
    fn uv(&mut self, version: &str, secrets: &str, line: &str, files: &[(&str, &str)]) {
        let lent = format!(
            "RUN {secrets}--mount=from=ghcr.io/astral-sh/uv:{version},source=/uv,target=/usr/bin/uv"
        );
        let files: Vec<_> = files.iter().filter(|(_, text)| !text.is_empty()).collect();
        if files.is_empty() {
            let _ = writeln!(self.text, "{lent} \\\n    {line}");
            return;
        }
        let mut script = "d=$(mktemp -d)".to_owned();
        for (number, (name, _)) in (1..).zip(&files) {
            let _ = write!(script, " && printf %s \"${number}\" > \"$d/{name}\"");
        }
        let _ = write!(script, " && {line}; s=$?; rm -rf \"$d\"; exit $s");
        let mut argv = vec![
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            script,
            "sh".to_owned(),
        ];
        argv.extend(files.iter().map(|(_, text)| (*text).to_owned()));
        let _ = writeln!(self.text, "{lent} {}", json(&argv));
    }

    /// The name of the stage that an image whose files are taken was written as.
    fn stage_of(&self, other: &Prepared) -> &str {
        &self.stages[&other.plan.top()]
    }

    fn run(&mut self, now: &Config, flags: &str, line: &str) {
        let simple = !line.contains(['\n', '\r'])
            && !line.contains("<<")
            && !line.ends_with('\\')
            && !line.starts_with(['[', '-', ' ', '#']);
        if simple {
            let _ = writeln!(self.text, "RUN {flags}{line}");
        } else {
            let mut argv = shell(now);
            argv.push(line.to_owned());
            let _ = writeln!(self.text, "RUN {flags}{}", json(&argv));
        }
    }

    /// A command whose words stay as they are.
    fn command(&mut self, argv: &[&str]) {
        let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
        let _ = writeln!(self.text, "RUN {}", json(&argv));
    }

    fn copy(&mut self, image: &Prepared, step: usize, copy: &CopySpec, now: &mut Config) {
        let verb = if copy.add { "ADD" } else { "COPY" };
        let mode = copy.mode.map(|mode| format!("{mode:o}"));
        let mut changed = Vec::new();
        for tree in image.taken(step) {
            self.copy_tree((verb, &copy.owner), tree, &copy.target, now);
            let target = copy.target.trim_end_matches('/');
            let paths = tree
                .nodes()
                .iter()
                .filter(|node| !matches!(node.kind, NodeKind::Symlink { .. }));
            changed.extend(paths.map(|node| {
                match copy.target.ends_with('/') || tree.root().is_dir() {
                    true => format!("{target}/{}", node.path.display()),
                    false => target.to_owned(),
                }
            }));
        }
        let mut verb = owned(verb, &copy.owner);
        for fetched in image.fetched(step) {
            // The older builder knows no `--checksum`.
            let _ = writeln!(self.text, "# sha256:{}", fetched.digest);
            let to = [fetched.url.clone(), copy.target.clone()];
            let _ = writeln!(self.text, "{verb} {}", words(&to));
            changed.push(fetched.path_at(&copy.target));
        }
        for other in image.others(step) {
            let from = self.stage_of(other).to_owned();
            let mut paths = copy.sources.clone();
            paths.push(copy.target.clone());
            if let Some(mode) = &mode {
                let _ = write!(verb, " --chmod={mode}");
            }
            let _ = writeln!(self.text, "{verb} --from={from} {}", words(&paths));
        }
        for (name, text) in &copy.documents {
            self.user(now, "");
            let name = if copy.target.ends_with('/') { name } else { "" };
            let path = format!("{}{name}", copy.target);
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            if !copy.owner.is_empty() {
                self.directory(now, above, &copy.owner);
            }
            self.command(&["sh", "-c", DOCUMENT, "sh", &path, text]);
            if !copy.owner.is_empty() {
                self.command(&["chown", &owner(&copy.owner), &path]);
            }
            changed.push(path);
        }
        if let (Some(mode), false) = (&mode, changed.is_empty()) {
            self.user(now, "");
            let mut argv = vec!["chmod", mode];
            argv.extend(changed.iter().map(String::as_str));
            self.command(&argv);
        }
    }
}

/// `COPY`, or `COPY --chown=…`.
fn owned(verb: &str, owner: &str) -> String {
    match owner {
        "" => verb.to_owned(),
        owner => format!("{verb} --chown={owner}"),
    }
}

fn is_base(layer: &PlannedLayer) -> bool {
    matches!(layer.action, Action::Base(_) | Action::SuitePython { .. })
}

fn shell(config: &Config) -> Vec<String> {
    match config.shell.is_empty() {
        true => ["/bin/sh", "-c"].map(str::to_owned).into(),
        false => config.shell.clone(),
    }
}
