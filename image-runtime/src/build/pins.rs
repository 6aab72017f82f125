//! Python packages exactly as `image.lock` names them: how they are installed, and how the hashes of their files are found out.

use std::collections::HashMap;

use super::BuildError;
use super::pip::{self, FILES, Installation, Variables};
use crate::engine::Access;
use crate::plan::{Action, PlannedLayer, PythonPackage, normalized};
use crate::protocol::Command;
use crate::secrets::Values;
use crate::store::Store;

/// What is installed, by name, version and hash.
const PINNED: &str = "requirements.txt";
/// What is installed that no hash is known of.
const OTHERS: &str = "others.txt";
/// What uv answers.
const HASHED: &str = "hashed.txt";

/// Installs packages and nothing that they need besides: that is among them.
pub(super) fn install(
    packages: &[PythonPackage],
    layer: &PlannedLayer,
    secrets: &Values,
    store: &Store,
) -> Result<Installation, BuildError> {
    let variables = Variables { layer, secrets };
    let options = options(layer, &variables)?;
    let (hashed, others): (Vec<_>, Vec<_>) = packages
        .iter()
        .partition(|package| !package.hashes.is_empty());
    let (mut texts, mut commands) = (Vec::new(), Vec::new());
    for (name, packages, words) in [
        (PINNED, hashed, &["--require-hashes", "-r"][..]),
        (OTHERS, others, &["-r"]),
    ] {
        if !packages.is_empty() {
            let text: String = packages
                .into_iter()
                .map(|package| with_hashes(package, layer))
                .collect();
            // uv itself puts their values in; what is missing it would take as it stands.
            variables.put_into(&text)?;
            let file = format!("{FILES}/{name}");
            commands.push(uv_install(&options, &[words, &[&file]].concat()));
            texts.push((name, text));
        }
    }
    if texts.is_empty() {
        return Ok(Installation::default());
    }
    let texts: Vec<_> = texts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let mut installation = Installation::with_files(store, &texts, Access::Read)?;
    installation.commands = commands;
    Ok(installation)
}

fn uv_install(options: &[String], words: &[&str]) -> Command {
    let mut install = pip::uv_pip("install");
    install.argv.extend_from_slice(options);
    if !options.iter().any(|option| option == "--no-deps") {
        install.argv.push("--no-deps".into());
    }
    install.argv.extend(words.iter().map(ToString::to_string));
    install
}

/// Asks the index of a step for the hashes of all files of these versions, and servers for those of files that URLs name.
pub(super) fn ask_for_hashes(
    packages: &[&PythonPackage],
    layer: &PlannedLayer,
    secrets: &Values,
    store: &Store,
) -> Result<Installation, BuildError> {
    let variables = Variables { layer, secrets };
    let text: String = packages
        .iter()
        .map(|package| format!("{}\n", requirement(package, layer)))
        .collect();
    let mut installation = Installation::with_files(store, &[(PINNED, &text)], Access::Returned)?;
    let mut compile = pip::uv_pip("compile");
    compile
        .argv
        .extend(of_resolver(options(layer, &variables)?));
    let words = [
        "-q",
        "--no-deps",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
    ];
    compile.argv.extend(words.map(str::to_owned));
    compile.argv.extend([
        "-o".to_owned(),
        format!("{FILES}/{HASHED}"),
        format!("{FILES}/{PINNED}"),
    ]);
    installation.commands = vec![compile];
    Ok(installation)
}

/// The answer: hashes by the names of packages.
pub(super) fn hashes(installation: &Installation) -> HashMap<String, Vec<String>> {
    let text = installation.read(HASHED).unwrap_or_default();
    let mut hashes: HashMap<String, Vec<String>> = HashMap::new();
    let mut package = String::new();
    for line in text.lines() {
        let begin = line.split(['=', '[', ' ', ';']).next().unwrap_or_default();
        let word = line.split_whitespace().next().unwrap_or_default();
        match word.strip_prefix("--hash=") {
            Some(hash) => hashes
                .entry(package.clone())
                .or_default()
                .push(hash.to_owned()),
            None if !begin.is_empty() => package = normalized(begin),
            None => {}
        }
    }
    hashes
}

fn with_hashes(package: &PythonPackage, layer: &PlannedLayer) -> String {
    let hashes: String = package
        .hashes
        .iter()
        .map(|hash| format!(" \\\n    --hash={hash}"))
        .collect();
    format!("{}{hashes}\n", requirement(package, layer))
}

/// A package as installers are asked for it. Nobody notes who may fetch a URL: that is as the step says it.
fn requirement(package: &PythonPackage, layer: &PlannedLayer) -> String {
    let PythonPackage { name, version, .. } = package;
    let Some(url) = &package.url else {
        return format!("{name}=={version}");
    };
    let own = match &layer.action {
        Action::PipInstall { pip, .. } => pip.url_of(name),
        _ => None,
    };
    let host = |authority: &str| authority.rsplit('@').next().map(str::to_owned);
    match (parts(url), own.and_then(parts)) {
        (Some((scheme, here, path)), Some((_, own, _))) if host(here) == host(own) => {
            format!("{name} @ {scheme}://{own}{path}")
        }
        _ => format!("{name} @ {url}"),
    }
}

/// The scheme of a URL, its host with who asks, and the rest.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((scheme, authority, path))
}

/// The options of a step that say where packages come from.
fn options(layer: &PlannedLayer, variables: &Variables<'_>) -> Result<Vec<String>, BuildError> {
    match &layer.action {
        Action::PipInstall { pip, .. } => pip::options(pip, variables),
        _ => Ok(Vec::new()),
    }
}

/// Options of `uv pip install` that `uv pip compile` does not know, or has already.
const OF_INSTALLER: [&str; 12] = [
    "--compile",
    "--compile-bytecode",
    "--force-reinstall",
    "--no-compile",
    "--no-deps",
    "--no-verify-hashes",
    "--reinstall",
    "--require-hashes",
    "--strict",
    "--verbose",
    "--verify-hashes",
    "-v",
];

/// Those that take a value.
const OF_INSTALLER_WITH_VALUE: [&str; 5] = [
    "--no-build-package",
    "--prefix",
    "--reinstall-package",
    "--target",
    "-t",
];

/// The options of a step that say which files of a package there are.
fn of_resolver(options: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut options = options.into_iter();
    while let Some(option) = options.next() {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (&*option, None),
        };
        if OF_INSTALLER_WITH_VALUE.contains(&name) {
            if value.is_none() {
                options.next();
            }
        } else if !OF_INSTALLER.contains(&name) {
            kept.push(option);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Config, Pip};
    use crate::spec::Secrets;
    use crate::spec::verb::pip_install;

    #[test]
    fn hashes_are_asked_for_with_the_options_that_say_which_files_there_are() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let given = words(
            "--no-deps --default-index http://a --prefix /x --reinstall --target=/y --no-binary numpy -t /z --no-build -v",
        );
        let kept = words("--default-index http://a --no-binary numpy --no-build");
        assert_eq!(of_resolver(given), kept);
    }

    fn package(name: &str, url: Option<&str>, hashes: &[&str]) -> PythonPackage {
        PythonPackage {
            name: name.into(),
            version: "1.0".into(),
            url: url.map(str::to_owned),
            hashes: hashes.iter().map(ToString::to_string).collect(),
        }
    }

    fn layer(requirements: &'static [&'static str]) -> PlannedLayer {
        let crate::spec::Step::PipInstall(step) = pip_install(requirements).step() else {
            panic!("a step is what it was made as")
        };
        PlannedLayer {
            id: crate::digest::Digest::of(b"layer"),
            title: "pip_install(…)".into(),
            action: Action::PipInstall {
                pip: Pip::from(&step),
                uv: "0".into(),
            },
            config: Config::default(),
            secrets: Secrets::NONE,
            force: false,
            pins: None,
        }
    }

    #[test]
    fn what_is_locked_is_installed_and_not_what_its_requirement_has_come_to_mean() {
        let layer = layer(&[
            "My_Pkg[extra] @ git+https://${TOKEN}@host/pkg@main",
            "file @ https://user@other/file.whl",
            "six",
        ]);
        let locked = Some("git+https://host/pkg@c0#subdirectory=a");
        for (package, written) in [
            (
                package("my-pkg", locked, &[]),
                "my-pkg @ git+https://${TOKEN}@host/pkg@c0#subdirectory=a\n",
            ),
            (
                package(
                    "file",
                    Some("https://host/file.whl?t=${T}"),
                    &["sha256:a", "sha256:b"],
                ),
                "file @ https://host/file.whl?t=${T} \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n",
            ),
            (package("six", None, &[]), "six==1.0\n"),
        ] {
            assert_eq!(with_hashes(&package, &layer), written);
        }
    }

    #[test]
    fn hashes_are_found_in_what_uv_answers() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        let text = "a-b[c]==1 ; python_version > '3' \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n\
                    c @ https://h/c.whl \\\n    --hash=sha256:c\nd @ git+https://h/d@0\n";
        let installation =
            Installation::with_files(&store, &[(HASHED, text)], Access::Read).unwrap();
        let found = hashes(&installation);
        assert_eq!(found["a-b"], ["sha256:a", "sha256:b"]);
        assert_eq!(found["c"], ["sha256:c"]);
        assert_eq!(found.len(), 2);
    }
}
