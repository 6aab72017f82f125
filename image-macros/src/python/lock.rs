//! `uv.lock`: whether everything it names can be had inside a build container, and whether it is the lock of the project as it is now.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::File;
use super::project::{List, Project, normal, parse};
use super::requirements::Requirements;
use crate::diag::Fault;
use crate::text::pep508;

/// The format that is read here; revisions of it only add to it.
const VERSION: &str = "1";

const RENEW: &str = "renew it with `uv lock`";

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
        Ok(top) => Lock::read(&file, top.get_ref())
            .map_or_else(|fault| vec![fault], |lock| lock.faults(project)),
        Err(fault) => vec![fault.help(RENEW)],
    };
    match faults.is_empty() {
        true => Ok(file),
        false => Err(faults),
    }
}

struct Lock<'a> {
    file: &'a File,
    packages: Vec<Package<'a>>,
}

struct Package<'a> {
    name: &'a str,
    table: &'a DeTable<'a>,
}

impl<'a> Lock<'a> {
    fn read(file: &'a File, top: &'a DeTable<'a>) -> Result<Self, Fault> {
        let unknown = |line| {
            file.fault(line, "this is not the text of a `uv.lock`")
                .help(RENEW)
        };
        match top
            .get("version")
            .map(|version| (version, version.get_ref()))
        {
            Some((_, DeValue::Integer(number))) if number.as_str() == VERSION => {}
            Some((version, DeValue::Integer(number))) => {
                let line = file.line_of(version.span().start);
                let message = format!(
                    "version {} of the format is not known here",
                    number.as_str()
                );
                let help = format!("write it with a uv whose locks say `version = {VERSION}`");
                return Err(file.fault(line, &message).help(help));
            }
            Some((version, _)) => return Err(unknown(file.line_of(version.span().start))),
            None => return Err(unknown(1)),
        }
        let mut packages = Vec::new();
        let Some(list) = top.get("package") else {
            return Ok(Self { file, packages });
        };
        let wrong = |at: &Spanned<DeValue<'_>>| unknown(file.line_of(at.span().start));
        for package in list.get_ref().as_array().ok_or_else(|| wrong(list))?.iter() {
            let table = package.get_ref().as_table().ok_or_else(|| wrong(package))?;
            let name = text(table, "name").ok_or_else(|| {
                let line = file.line_of(package.span().start);
                file.fault(line, "this package has no `name`").help(RENEW)
            })?;
            packages.push(Package { name, table });
        }
        Ok(Self { file, packages })
    }

    fn faults(&self, project: &Project) -> Vec<Fault> {
        let project_name = project.name();
        let own = |package: &&Package<'_>| project_name.as_deref() == Some(&*normal(package.name));
        let known: BTreeSet<_> = self.packages.iter().map(|p| normal(p.name)).collect();
        let mut faults = Vec::new();
        for package in &self.packages {
            if !own(&package) {
                faults.extend(self.local(package));
            }
            faults.extend(self.unknown(package, &known));
        }
        match self.packages.iter().find(own) {
            Some(package) => faults.extend(self.older(package, project)),
            None if faults.is_empty() => {
                let fault = Fault::new(format!(
                    "`{}` is not the lock of this project",
                    self.file.path
                ));
                faults.push(fault.help(RENEW));
            }
            None => {}
        }
        faults
    }

    /// A package that lies on this machine.
    fn local(&self, package: &Package<'_>) -> Option<Fault> {
        let source = package.table.get("source")?.get_ref().as_table()?;
        let place = LOCAL.iter().find_map(|key| source.get(*key))?;
        let line = self.file.line_of(place.span().start);
        let (name, place) = (package.name, place.get_ref().as_str().unwrap_or_default());
        let message = format!("`{name}` comes from `{place}`, which is not in the build container");
        Some(
            self.file
                .fault(line, &message)
                .help("name a released version or a repository in the project’s `tool.uv.sources`"),
        )
    }

    /// A dependency of which the lock says nothing.
    fn unknown(&self, package: &Package<'_>, known: &BTreeSet<String>) -> Option<Fault> {
        let dependencies = package.table.get("dependencies")?.get_ref().as_array()?;
        dependencies.iter().find_map(|dependency| {
            let needed = text(dependency.get_ref().as_table()?, "name")?;
            let line = self.file.line_of(dependency.span().start);
            let message = format!("`{}` needs `{needed}`, which is not locked", package.name);
            let fault = || self.file.fault(line, &message).help(RENEW);
            (!known.contains(&normal(needed))).then(fault)
        })
    }

    /// A requirement that the project got after it was locked. A project that had none when it was locked has no `metadata`; one that
    /// an early uv locked has none either, but what it needs.
    fn older(&self, package: &Package<'_>, project: &Project) -> Option<Fault> {
        let metadata = package.table.get("metadata");
        let asked = match metadata.and_then(|metadata| metadata.get_ref().as_table()) {
            Some(metadata) => metadata.get("requires-dist"),
            None => package.table.get("dependencies"),
        };
        let asked = asked.and_then(|list| list.get_ref().as_array());
        let locked: BTreeSet<_> = asked
            .into_iter()
            .flat_map(|list| list.iter())
            .filter_map(|item| text(item.get_ref().as_table()?, "name").map(normal))
            .collect();
        let mut read = Requirements::default();
        // What is wrong in it is said where it is used.
        project.add(List::Dependencies, &mut read).ok()?;
        let new = read.text.lines().find(|line| {
            let (name, _) = pep508::name_and_extras(line);
            !locked.contains(&normal(name))
        })?;
        let line = self.file.line_of(package.table.get("name")?.span().start);
        let message = format!("the project needs `{new}`, which is not locked");
        Some(self.file.fault(line, &message).help(RENEW))
    }
}

fn text<'a>(table: &'a DeTable<'a>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}
