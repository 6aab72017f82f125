//! Python packages exactly as `image.lock` names them: how they are installed, and how the hashes of their files are found out.

use std::collections::HashMap;

use super::BuildError;
use super::pip::{self, FILES, Installation, Variables};
use crate::plan::{Action, PlannedLayer, PythonPackage};
use crate::protocol::Command;
use crate::secrets::Values;
use crate::store::Store;

/// What is installed, by name, version and hash.
const PINNED: &str = "requirements.txt";
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
    let mut commands = Vec::new();
    let mut installation = Installation::default();
    if !hashed.is_empty() {
        let text: String = hashed.into_iter().map(with_hashes).collect();
        installation = Installation::with_files(store, &[(PINNED, &text)], true)?;
        let file = format!("{FILES}/{PINNED}");
        commands.push(uv_install(&options, &["--require-hashes", "-r", &file]));
    }
    if !others.is_empty() {
        let mut words = vec!["--".to_owned()];
        for package in others {
            words.push(written(package, layer, &variables)?);
        }
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        commands.push(uv_install(&options, &words));
    }
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

/// Asks the index of a step for the hashes of all files of these versions.
pub(super) fn ask_for_hashes(
    packages: &[&PythonPackage],
    layer: &PlannedLayer,
    secrets: &Values,
    store: &Store,
) -> Result<Installation, BuildError> {
    let variables = Variables { layer, secrets };
    let text: String = packages
        .iter()
        .map(|package| format!("{package}\n"))
        .collect();
    let mut installation = Installation::with_files(store, &[(PINNED, &text)], false)?;
    let mut compile = pip::uv_pip("compile");
    compile.argv.extend(options(layer, &variables)?);
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

/// The answer: hashes by `name==version`.
pub(super) fn hashes(installation: &Installation) -> HashMap<String, Vec<String>> {
    let text = installation.read(HASHED).unwrap_or_default();
    let mut hashes: HashMap<String, Vec<String>> = HashMap::new();
    let mut package = String::new();
    for word in text.split_whitespace() {
        match word.strip_prefix("--hash=") {
            Some(hash) => hashes
                .entry(package.clone())
                .or_default()
                .push(hash.to_owned()),
            None if word.contains("==") => word.clone_into(&mut package),
            None => {}
        }
    }
    hashes
}

fn with_hashes(package: &PythonPackage) -> String {
    let hashes: String = package
        .hashes
        .iter()
        .map(|hash| format!(" \\\n    --hash={hash}"))
        .collect();
    format!("{package}{hashes}\n")
}

/// A package that no hash is known of: as the step writes it where it comes from elsewhere than an index, since that may name secrets.
fn written(
    package: &PythonPackage,
    layer: &PlannedLayer,
    variables: &Variables<'_>,
) -> Result<String, BuildError> {
    let Some(url) = &package.url else {
        return Ok(package.to_string());
    };
    let Action::PipInstall { pip, .. } = &layer.action else {
        return Ok(format!("{} @ {url}", package.name));
    };
    let own = pip.list.iter().find(|requirement| {
        let name = requirement.split_once('@').map(|(name, _)| name);
        let name = name.and_then(|name| name.split('[').next());
        name.is_some_and(|name| {
            name.trim()
                .replace(['_', '.'], "-")
                .eq_ignore_ascii_case(&package.name)
        })
    });
    match own {
        Some(requirement) => variables.put_into(requirement),
        None => Ok(format!("{} @ {url}", package.name)),
    }
}

/// The options of a step that say where packages come from.
fn options(layer: &PlannedLayer, variables: &Variables<'_>) -> Result<Vec<String>, BuildError> {
    match &layer.action {
        Action::PipInstall { pip, .. } => pip::options(pip, variables),
        _ => Ok(Vec::new()),
    }
}
