//! Writes an image as a Dockerfile: `docker build` makes an equal root file system of it.
//!
//! What only BuildKit knows is left out where the older builder has another way: here-documents and `--chmod` become commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{BuildError, Builder, Prepared};
use crate::context::{NodeKind, Tree};
use crate::plan::{Action, BaseSource, Config, CopySpec, Pip, PlannedLayer};
use crate::spec::Image;

impl Builder {
    /// The Dockerfile of an image. Nothing is built, but what its base is has to be known.
    ///
    /// # Errors
    /// As [`Builder::plan`].
    pub async fn render(&self, image: Image) -> Result<String, BuildError> {
        let prepared = self.prepare(image).await?;
        let mut roots = Vec::new();
        prepared.local_roots(&mut roots);
        let mut writer = Writer {
            context: common(&roots),
            stages: BTreeMap::new(),
            begun: 0,
            text: String::new(),
        };
        writer.stage(&prepared);
        let mut head = format!("# Image `{}`.\n", prepared.name);
        if !roots.is_empty() {
            let place = writer.context.display();
            let _ = writeln!(head, "# docker build --file THIS-FILE {place}");
        }
        Ok(head + &writer.text)
    }
}

/// Runs its argument as a program.
const SCRIPT: &str = "f=$(mktemp) && printf %s \"$1\" > \"$f\" && chmod +x \"$f\" && \"$f\"; s=$?; rm -f \"$f\"; exit $s";

/// Makes a directory for its second argument, unless it is there.
const DIRECTORY: &str = "[ -d \"$1\" ] || { mkdir -p \"$1\" && chown \"$2\" \"$1\"; }";

/// Makes a file of its second argument.
const DOCUMENT: &str = "mkdir -p \"${1%/*}/\" && printf %s \"$2\" > \"$1\" && chmod 644 \"$1\"";

struct Writer {
    /// The directory that all local paths start from.
    context: PathBuf,
    /// The names of the stages that are written, by their topmost layer.
    stages: BTreeMap<crate::digest::LayerId, String>,
    /// How many stages were begun.
    begun: usize,
    text: String,
}

impl Writer {
    /// Writes an image as a stage, after those that it copies from.
    fn stage(&mut self, image: &Prepared) {
        let mut below = Vec::new();
        for layer in &image.plan.layers {
            if let Action::Copy { step, .. } = layer.action
                && let Some(source) = image.source(step)
            {
                below.push(source);
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

    /// What a step runs in: environment, working directory, shell.
    fn surroundings(&mut self, now: &mut Config, wanted: &Config) {
        for (name, value) in &wanted.env {
            let known = now.env.iter().find(|(known, _)| known == name);
            let is = known.map(|(_, value)| value.as_str());
            // What containers have where an image says nothing.
            let is = is.or((name == "PATH").then_some(crate::plan::DEFAULT_PATH));
            if is != Some(value) {
                let _ = writeln!(self.text, "ENV {name}={}", quoted(value));
                now.set(name, value);
            }
        }
        if now.shell != wanted.shell && !wanted.shell.is_empty() {
            let _ = writeln!(self.text, "SHELL {}", json(&wanted.shell));
            now.shell.clone_from(&wanted.shell);
        }
        if now.workdir != wanted.workdir {
            if !wanted.user.is_empty() {
                // The older builder makes directories that belong to root.
                self.user(now, "");
                let owner = match (wanted.user.contains(':'), wanted.user.parse::<u32>()) {
                    (true, _) => wanted.user.clone(),
                    (false, Ok(number)) => format!("{number}:{number}"),
                    (false, Err(_)) => format!("{}:", wanted.user),
                };
                self.command(&["sh", "-c", DIRECTORY, "sh", &wanted.workdir, &owner]);
            }
            let _ = writeln!(self.text, "WORKDIR {}", literal(&wanted.workdir));
            now.workdir.clone_from(&wanted.workdir);
        }
    }

    fn user(&mut self, now: &mut Config, wanted: &str) {
        if now.user != wanted {
            let user = if wanted.is_empty() { "0" } else { wanted };
            let _ = writeln!(self.text, "USER {}", literal(user));
            wanted.clone_into(&mut now.user);
        }
    }

    /// What starts in containers of the image, and what is said of them.
    fn started(&mut self, now: &Config, wanted: &Config) {
        if now.entrypoint != wanted.entrypoint {
            let _ = writeln!(self.text, "ENTRYPOINT {}", json(&wanted.entrypoint));
        }
        if now.cmd != wanted.cmd && !(wanted.cmd.is_empty() && now.entrypoint != wanted.entrypoint)
        {
            let _ = writeln!(self.text, "CMD {}", json(&wanted.cmd));
        }
        for (name, value) in &wanted.labels {
            let _ = writeln!(self.text, "LABEL {}={}", quoted(name), quoted(value));
        }
        for port in &wanted.exposed {
            let _ = writeln!(self.text, "EXPOSE {}", literal(port));
        }
        if !wanted.volumes.is_empty() {
            let _ = writeln!(self.text, "VOLUME {}", json(&wanted.volumes));
        }
        if !wanted.stop_signal.is_empty() {
            let _ = writeln!(self.text, "STOPSIGNAL {}", literal(&wanted.stop_signal));
        }
        if let Some(check) = &wanted.healthcheck {
            let flags = [
                ("interval", check.interval),
                ("timeout", check.timeout),
                ("start-period", check.start_period),
            ];
            let mut line = "HEALTHCHECK".to_owned();
            for (name, nanoseconds) in flags.into_iter().filter(|(_, time)| *time > 0) {
                let _ = write!(line, " --{name}={nanoseconds}ns");
            }
            if check.retries > 0 {
                let _ = write!(line, " --retries={}", check.retries);
            }
            let _ = match &check.test[..] {
                [kind, command] if kind == "CMD-SHELL" => {
                    writeln!(self.text, "{line} CMD {command}")
                }
                [kind, argv @ ..] if kind == "CMD" => {
                    writeln!(self.text, "{line} CMD {}", json(argv))
                }
                _ => writeln!(self.text, "{line} NONE"),
            };
        }
    }

    fn layer(&mut self, image: &Prepared, layer: &PlannedLayer, now: &mut Config) {
        if !layer.secrets.all.is_empty() {
            let names = layer.secrets.all.iter().map(|secret| secret.identity()[1]);
            let names = names.collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                self.text,
                "# The next step needs variables of secrets, which stand in no file: {names}."
            );
        }
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
                    "# An archive of this machine has to lie in the build context, and be named from there.\n\
                     ADD {} /tmp/python/\n\
                     RUN mkdir -p /usr/local && for f in /tmp/python/*.tar.*; do test ! -e \"$f\" || tar -xf \"$f\" -C /tmp/python; done \\\n \
                     && cp -a /tmp/python/python/. /usr/local/ && rm -r /tmp/python && python3 -m pip install --no-cache-dir pip=={pip}",
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
                self.pip_install(pip, uv);
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
                self.uv(uv, &words, &files);
            }
            Action::RunCommands(commands) => {
                self.user(now, "");
                for command in *commands {
                    self.run(now, command);
                }
            }
            Action::Run { argv, script, .. } => {
                self.user(now, &layer.config.user);
                let shell = shell(now);
                match (script, &argv[..]) {
                    (Some(script), _) => self.command(&["sh", "-c", SCRIPT, "sh", script]),
                    (None, [before @ .., line]) if before == shell => self.run(now, line),
                    (None, argv) => {
                        let _ = writeln!(self.text, "RUN {}", json(argv));
                    }
                }
            }
            Action::CopyFiles { step, target } => {
                if let Some(tree) = image.trees.get(step) {
                    self.copy_tree("COPY", tree, target);
                }
            }
            Action::Copy { step, copy } => self.copy(image, *step, copy, now),
        }
    }

    fn pip_install(&mut self, pip: &Pip, uv: &str) {
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
        self.uv(uv, &words, &files);
    }

    /// Runs uv, with files in a directory `$d` that goes afterwards. Only BuildKit can lend a program to a command.
    fn uv(&mut self, version: &str, line: &str, files: &[(&str, &str)]) {
        let lent = format!(
            "RUN --mount=from=ghcr.io/astral-sh/uv:{version},source=/uv,target=/usr/bin/uv"
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

    fn run(&mut self, now: &Config, line: &str) {
        let simple = !line.contains(['\n', '\r'])
            && !line.contains("<<")
            && !line.ends_with('\\')
            && !line.starts_with(['[', '-', ' ', '#']);
        if simple {
            let _ = writeln!(self.text, "RUN {line}");
        } else {
            let mut argv = shell(now);
            argv.push(line.to_owned());
            let _ = writeln!(self.text, "RUN {}", json(&argv));
        }
    }

    /// A command whose words stay as they are.
    fn command(&mut self, argv: &[&str]) {
        let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
        let _ = writeln!(self.text, "RUN {}", json(&argv));
    }

    fn copy(&mut self, image: &Prepared, step: usize, copy: &CopySpec, now: &mut Config) {
        let mut verb = if copy.add { "ADD" } else { "COPY" }.to_owned();
        if !copy.owner.is_empty() {
            let _ = write!(verb, " --chown={}", copy.owner);
        }
        let mode = copy.mode.map(|mode| format!("{mode:o}"));
        let mut changed = Vec::new();
        for tree in image.taken(step) {
            self.copy_tree(&verb, tree, &copy.target);
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
        if let Some(source) = image.source(step) {
            let from = self
                .stages
                .get(&source.plan.top())
                .cloned()
                .unwrap_or_default();
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
            self.command(&["sh", "-c", DOCUMENT, "sh", &path, text]);
            if !copy.owner.is_empty() {
                self.command(&["chown", &copy.owner, &path]);
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

    /// A tree: whole where nothing of it is ignored, else in as many pieces as that takes.
    fn copy_tree(&mut self, verb: &str, tree: &Tree, target: &str) {
        let root = tree.root();
        let mut pieces = Vec::new();
        match root.is_dir() {
            true => pieces_of(
                tree,
                root,
                Path::new(""),
                target.trim_end_matches('/'),
                &mut pieces,
            ),
            false => pieces.push((root.to_owned(), target.to_owned())),
        }
        for (source, target) in pieces {
            let source = source.strip_prefix(&self.context).unwrap_or(&source);
            let source = match source.to_string_lossy() {
                empty if empty.is_empty() => ".".to_owned(),
                text => text.into_owned(),
            };
            let _ = writeln!(self.text, "{verb} {}", words(&[source, target]));
        }
    }
}

/// The largest directories that are taken whole, and the files beside them.
fn pieces_of(
    tree: &Tree,
    root: &Path,
    below: &Path,
    target: &str,
    pieces: &mut Vec<(PathBuf, String)>,
) {
    let here = root.join(below);
    let to = |path: &Path| match path.as_os_str().is_empty() {
        true => format!("{target}/"),
        false => format!("{target}/{}", path.display()),
    };
    if is_whole(tree, &here, below) {
        pieces.push((here, to(below)));
        return;
    }
    for node in tree.nodes() {
        if node.path.parent() == Some(below) {
            match node.kind {
                NodeKind::Directory => pieces_of(tree, root, &node.path, target, pieces),
                _ => pieces.push((root.join(&node.path), to(&node.path))),
            }
        }
    }
}

/// Whether all that a directory holds is taken.
fn is_whole(tree: &Tree, directory: &Path, below: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().all(|entry| {
        let path = below.join(entry.file_name());
        let node = tree.nodes().iter().find(|node| node.path == path);
        node.is_some_and(|node| match node.kind {
            NodeKind::Directory => is_whole(tree, &entry.path(), &path),
            _ => true,
        })
    })
}

impl Prepared {
    /// Where local files lie.
    fn local_roots(&self, roots: &mut Vec<PathBuf>) {
        for layer in &self.plan.layers {
            match layer.action {
                Action::CopyFiles { step, .. } => {
                    roots.extend(self.trees.get(&step).map(|tree| tree.root().to_owned()));
                }
                Action::Copy { step, .. } => {
                    roots.extend(self.taken(step).map(|tree| tree.root().to_owned()));
                    if let Some(source) = self.source(step) {
                        source.local_roots(roots);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The directory that holds all of some paths.
fn common(paths: &[PathBuf]) -> PathBuf {
    let directory = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let mut all = paths.iter().map(directory);
    let mut common = all.next().unwrap_or_default();
    for path in all {
        while !path.starts_with(&common) {
            common.pop();
        }
    }
    common
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

/// A value in which nothing is expanded.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// A word that is the rest of a line, in which nothing is expanded.
fn literal(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.:,@%+=".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// Paths: as words where they can be, else as JSON.
fn words(paths: &[String]) -> String {
    let escaped: Vec<_> = paths.iter().map(|path| path.replace('$', "\\$")).collect();
    match paths
        .iter()
        .any(|path| path.contains([' ', '\t', '"', '\'']))
    {
        true => json(&escaped),
        false => escaped.join(" "),
    }
}

/// A word of a shell's line.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:,@%+=/".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A word of a shell's line, in which `${NAME}` stands for a variable.
fn expanding(text: &str) -> String {
    if !text.contains("${") {
        return word(text);
    }
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('`', "\\`");
    format!("\"{escaped}\"")
}

fn json(words: &[String]) -> String {
    serde_json::to_string(words).expect("strings are JSON")
}
