//! `pyproject.toml`: the requirements of a project, of its extras (PEP 621) and of its dependency groups (PEP 735).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::File;
use super::requirements::Requirements;
use crate::diag::{Fault, did_you_mean};
use crate::text::pep508;

/// A project's file.
pub(crate) struct Project {
    file: File,
}

/// A list of what a project needs.
#[derive(Clone, Copy)]
pub(crate) enum List<'a> {
    /// `project.dependencies`
    Dependencies,
    /// One of `project.optional-dependencies`.
    Extra(&'a str),
    /// One of `dependency-groups`.
    Group(&'a str),
}

/// What is being gathered, and what was wrong.
struct Gathered<'a> {
    file: &'a File,
    top: &'a DeTable<'a>,
    name: Option<String>,
    read: &'a mut Requirements,
    faults: Vec<Fault>,
    /// The extras and groups that were gone through.
    seen: Vec<String>,
}

impl Project {
    /// Reads a project's file.
    pub(crate) fn read(path: &str) -> Result<Self, Fault> {
        let file = File::read(path)?;
        parse(&file)?;
        Ok(Self { file })
    }

    /// The text of the file.
    pub(crate) fn into_text(self) -> String {
        self.file.text
    }

    /// The name of the project, as installers compare it.
    pub(crate) fn name(&self) -> Option<String> {
        let top = parse(&self.file).ok()?;
        name(top.get_ref())
    }

    /// The line, and the fault, of what makes it a project of several members.
    pub(crate) fn workspace(&self) -> Option<Fault> {
        let top = parse(&self.file).ok()?;
        let workspace = ["tool", "uv"]
            .iter()
            .try_fold(top.get_ref(), |table, key| {
                table.get(*key)?.get_ref().as_table()
            })?
            .get("workspace")?;
        let line = self.file.line_of(workspace.span().start);
        Some(self.file.fault(
            line,
            "a workspace of several projects cannot be installed from its lock here",
        ))
    }

    /// Adds what a list asks for.
    pub(crate) fn add(&self, list: List<'_>, read: &mut Requirements) -> Result<(), Vec<Fault>> {
        let top = parse(&self.file).map_err(|fault| vec![fault])?;
        if !read.files.contains(&self.file.path) {
            read.files.push(self.file.path.clone());
        }
        let mut gathered = Gathered {
            file: &self.file,
            name: name(top.get_ref()),
            top: top.get_ref(),
            read,
            faults: Vec::new(),
            seen: Vec::new(),
        };
        gathered.list(list);
        match gathered.faults.is_empty() {
            true => Ok(()),
            false => Err(gathered.faults),
        }
    }
}

/// Parses the text of a file as TOML.
pub(super) fn parse(file: &File) -> Result<Spanned<DeTable<'_>>, Fault> {
    DeTable::parse(&file.text).map_err(|error| {
        let line = error.span().map_or(1, |span| file.line_of(span.start));
        let message = error.message().replace('\n', ", ");
        file.fault(line, &message)
    })
}

fn name(top: &DeTable<'_>) -> Option<String> {
    let name = top.get("project")?.get_ref().as_table()?.get("name")?;
    Some(normal(name.get_ref().as_str()?))
}

/// A name as installers compare it (PEP 503).
pub(super) fn normal(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

impl<'a> Gathered<'a> {
    fn list(&mut self, list: List<'_>) {
        match list {
            List::Dependencies => self.dependencies(),
            List::Extra(extra) => self.named("extra", extra),
            List::Group(group) => self.named("group", group),
        }
    }

    fn dependencies(&mut self) {
        let Some(project) = self.top.get("project") else {
            let fault = self.file.fault(1, "there is no `[project]` table");
            self.faults
                .push(fault.help("requirements stand in its `dependencies`"));
            return;
        };
        let table = project.get_ref().as_table();
        let dynamic = table
            .and_then(|table| table.get("dynamic")?.get_ref().as_array())
            .and_then(|fields| {
                fields
                    .iter()
                    .find(|field| field.get_ref().as_str() == Some("dependencies"))
            });
        if let Some(field) = dynamic {
            let line = self.file.line_of(field.span().start);
            let fault = self.file.fault(line, "the project's dependencies are made by its build, and are not known while compiling");
            self.faults.push(fault.help("list them in `dependencies`, or name the file they come from with `.pip_install_from_requirements`"));
            return;
        }
        if let Some(list) = table.and_then(|table| table.get("dependencies")) {
            self.items(list, "dependencies");
        }
    }

    /// An extra or a group, under whatever spelling.
    fn named(&mut self, what: &'static str, wanted: &str) {
        let key = format!("{what} {}", normal(wanted));
        if self.seen.contains(&key) {
            return;
        }
        self.seen.push(key);
        let lists = match what {
            "extra" => self
                .top
                .get("project")
                .and_then(|project| project.get_ref().as_table()?.get("optional-dependencies")),
            _ => self.top.get("dependency-groups"),
        };
        let lists = lists.and_then(|lists| lists.get_ref().as_table());
        let found = lists.and_then(|lists| {
            lists
                .iter()
                .find(|(name, _)| normal(name.get_ref()) == normal(wanted))
        });
        match found {
            Some((_, list)) => self.items(list, wanted),
            None => {
                let known: Vec<&str> = lists
                    .into_iter()
                    .flat_map(|lists| lists.iter().map(|(name, _)| &**name.get_ref()))
                    .collect();
                let fault = Fault::new(format!("`{}` has no {what} `{wanted}`", self.file.path));
                self.faults.push(match known.is_empty() {
                    true => fault.help(format!("it has no {what} at all")),
                    false => fault.help(did_you_mean(wanted, "it has", known.iter().copied())),
                });
            }
        }
    }

    fn items(&mut self, list: &'a Spanned<DeValue<'a>>, name: &str) {
        let Some(items) = list.get_ref().as_array() else {
            let line = self.file.line_of(list.span().start);
            self.faults.push(
                self.file
                    .fault(line, &format!("`{name}` must be a list of requirements")),
            );
            return;
        };
        for item in items.iter() {
            let line = self.file.line_of(item.span().start);
            match item.get_ref() {
                DeValue::String(requirement) => self.requirement(line, requirement),
                DeValue::Table(table) => match table
                    .get("include-group")
                    .and_then(|group| group.get_ref().as_str())
                {
                    Some(group) => self.named("group", group),
                    None => self
                        .faults
                        .push(self.file.fault(line, "`include-group = \"…\"` is expected")),
                },
                _ => self
                    .faults
                    .push(self.file.fault(line, "a requirement must be a string")),
            }
        }
    }

    fn requirement(&mut self, line: usize, requirement: &str) {
        if let Err(fault) = pep508::requirement(requirement) {
            self.faults
                .push(fault.after(&format!("{}:{line}: ", self.file.path)));
            return;
        }
        // `name[extra]` of the project itself stands for the extra's requirements.
        let (own, extras) = pep508::name_and_extras(requirement);
        if self.name.as_ref() == Some(&normal(own)) {
            for extra in extras {
                self.named("extra", extra);
            }
            return;
        }
        if !pep508::is_pinned(requirement) {
            let unpinned = format!("{}:{line}: `{requirement}`", self.file.path);
            self.read.unpinned.push(unpinned);
        }
        self.read.text.push_str(requirement);
        self.read.text.push('\n');
    }
}
