//! `uv.lock`: whether everything it names can be had inside a build container.

use super::file::File;
use super::project::{Project, normal, parse};
use crate::diag::Fault;

/// Keys of a package's source that name a place of this machine.
const LOCAL: [&str; 4] = ["directory", "editable", "path", "virtual"];

/// Looks at the lock of a project.
pub(crate) fn check(path: &str, project: &Project) -> Result<File, Vec<Fault>> {
    let file =
        File::read(path).map_err(|fault| {
            vec![fault.help(
                "make it with `uv lock`, or write `frozen = false` to resolve while building",
            )]
        })?;
    let faults = match parse(&file) {
        Ok(top) => faults(&file, top.get_ref(), project),
        Err(fault) => vec![fault],
    };
    match faults.is_empty() {
        true => Ok(file),
        false => Err(faults),
    }
}

fn faults(file: &File, top: &toml::de::DeTable<'_>, project: &Project) -> Vec<Fault> {
    let packages = top
        .get("package")
        .and_then(|packages| packages.get_ref().as_array());
    let mut faults = Vec::new();
    let mut own = false;
    for package in packages.into_iter().flat_map(|packages| packages.iter()) {
        let Some(table) = package.get_ref().as_table() else {
            continue;
        };
        let name = table
            .get("name")
            .and_then(|name| name.get_ref().as_str())
            .unwrap_or_default();
        if project.name().as_deref() == Some(&normal(name)) {
            own = true;
            continue;
        }
        let source = table
            .get("source")
            .and_then(|source| source.get_ref().as_table());
        let local = LOCAL.iter().find_map(|key| source?.get(*key));
        if let Some(place) = local {
            let line = file.line_of(place.span().start);
            let place = place.get_ref().as_str().unwrap_or_default();
            let fault = file.fault(
                line,
                &format!("`{name}` comes from `{place}`, which is not in the build container"),
            );
            faults.push(fault.help(
                "name a released version or a repository in the project’s `tool.uv.sources`",
            ));
        }
    }
    if !own && faults.is_empty() {
        let fault = Fault::new(format!("`{}` is not the lock of this project", file.path));
        faults.push(fault.help("renew it with `uv lock`"));
    }
    faults
}
