//! Steps whose arguments are Python files: read here, so that what is wrong in them is an error of the compiler.

use std::path::Path;

use syn::LitStr;

use super::model::{Argument, Call, Project};
use crate::diag::{Errors, Fault};
use crate::keyword::Checked;
use crate::python::project::{self, List};
use crate::python::requirements::{self, Requirements};
use crate::python::{file, lock};

/// `pip_install_from_requirements`
pub(super) fn requirements(call: &mut Call, errors: &mut Errors) {
    let Some(path) = path(call) else { return };
    match requirements::read(&path.value()) {
        Ok(read) => add(call, &path, read, errors),
        Err(faults) => report(&path, faults, errors),
    }
}

/// `pip_install_from_pyproject`
pub(super) fn pyproject(call: &mut Call, errors: &mut Errors) {
    let Some(path) = path(call) else { return };
    let project = match project::Project::read(&path.value()) {
        Ok(project) => project,
        Err(fault) => return errors.at(&path, fault),
    };
    let extras = texts(call, "optional_dependencies");
    let groups = texts(call, "dependency_groups");
    let mut read = Requirements::default();
    if let Err(faults) = project.add(List::Dependencies, &mut read) {
        report(&path, faults, errors);
    }
    named(&project, &extras, &groups, &mut read, errors);
    add(call, &path, read, errors);
}

/// `uv_sync`
pub(super) fn uv_sync(call: &mut Call, errors: &mut Errors) {
    let Some(folder) = path(call) else { return };
    let beside = |name: &str| {
        let path = Path::new(&folder.value()).join(name);
        path.to_string_lossy().into_owned()
    };
    let (path, locked) = (beside("pyproject.toml"), beside("uv.lock"));
    let project = match project::Project::read(&path) {
        Ok(project) => project,
        Err(fault) => return errors.at(&folder, fault),
    };
    if let Some(fault) = project.workspace() {
        return errors.at(
            &folder,
            fault.help("name one of its members, with a lock of its own"),
        );
    }
    let (groups, extras) = (texts(call, "groups"), texts(call, "extras"));
    // Only whether they are there: the lock says what they are.
    named(
        &project,
        &extras,
        &groups,
        &mut Requirements::default(),
        errors,
    );
    let frozen = !matches!(
        call.keyword("frozen"),
        Some((_, Argument::Checked(Checked::Flag(false))))
    );
    call.files.push(path);
    // Which of its locks is asked for, a wrong keyword was to say.
    if !call.is_whole {
        return;
    }
    let lock = match frozen {
        true => lock::check(&locked, &project),
        false => file::File::read(&locked).map_err(|_| Vec::new()),
    };
    let lock = match lock {
        Ok(lock) => {
            call.files.push(locked);
            Some(lock.text)
        }
        Err(faults) => {
            report(&folder, faults, errors);
            None
        }
    };
    let pyproject = project.into_text();
    call.positional
        .push(Argument::Project(Project { pyproject, lock }));
}

/// Looks the named extras and groups up, each fault at its name.
fn named(
    project: &project::Project,
    extras: &[LitStr],
    groups: &[LitStr],
    read: &mut Requirements,
    errors: &mut Errors,
) {
    for extra in extras {
        if let Err(faults) = project.add(List::Extra(&extra.value()), read) {
            report(extra, faults, errors);
        }
    }
    for group in groups {
        if let Err(faults) = project.add(List::Group(&group.value()), read) {
            report(group, faults, errors);
        }
    }
}

fn add(call: &mut Call, path: &LitStr, read: Requirements, errors: &mut Errors) {
    if read.text.is_empty() && call.is_whole && errors.is_empty() {
        let fault = Fault::new(format!("`{}` asks for no package", path.value()));
        errors.at(path, fault.help("leave the step out"));
    }
    call.files.extend(read.files.iter().cloned());
    call.positional.push(Argument::Requirements(read));
}

fn report(token: &LitStr, faults: Vec<Fault>, errors: &mut Errors) {
    for fault in faults {
        errors.at(token, fault);
    }
}

/// The one argument without a name, where it is right.
fn path(call: &Call) -> Option<LitStr> {
    match &call.positional[..] {
        [Argument::Checked(Checked::Text(path))] => Some(path.clone()),
        _ => None,
    }
}

fn texts(call: &mut Call, keyword: &str) -> Vec<LitStr> {
    match call.keyword(keyword) {
        Some((_, Argument::Checked(Checked::Texts(texts)))) => texts.clone(),
        _ => Vec::new(),
    }
}
