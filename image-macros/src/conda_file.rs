//! Files of conda that a definition names: an `environment.yml`, of which the few forms are read that such files have, or a list of
//! match specs.

use std::borrow::Cow;

use crate::diag::Fault;
use crate::python::file::File;
use crate::text::{conda, outside};

/// What a file asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) specs: Vec<String>,
    pub(crate) channels: Vec<String>,
}

/// Reads a file; all faults name their lines.
pub(crate) fn read(path: &str) -> Result<Environment, Vec<Fault>> {
    let file = File::read(path).map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let is_yaml = path.ends_with(".yml") || path.ends_with(".yaml");
    let read = match is_yaml {
        true => yaml(&file, &mut faults),
        false => list(&file, &mut faults),
    };
    if faults.is_empty() && read.specs.is_empty() {
        let fault = Fault::new(format!("`{path}` asks for no package"));
        faults.push(fault.help("leave `spec_file` out"));
    }
    match faults.is_empty() {
        true => Ok(read),
        false => Err(faults),
    }
}

/// One match spec a line.
fn list(file: &File, faults: &mut Vec<Fault>) -> Environment {
    let mut read = Environment::default();
    for (number, line) in lines(file) {
        if line == "@EXPLICIT" {
            let fault = file.fault(number, "a list of addresses is not read");
            faults.push(fault.help("write match specs, such as `numpy=1.26.4=py311_0`"));
            return read;
        }
        add_spec(file, number, line, &mut read, faults);
    }
    read
}

fn yaml(file: &File, faults: &mut Vec<Fault>) -> Environment {
    let mut read = Environment::default();
    let mut key = "";
    // How deep `- pip:` stands: what stands deeper is its.
    let mut pip = None;
    for (number, line) in lines(file) {
        let content = line.trim_start();
        let depth = line.len() - content.len();
        if pip.is_some_and(|pip| depth > pip) {
            continue;
        }
        pip = (content == "- pip:").then_some(depth);
        let item = content.strip_prefix("- ").map(str::trim);
        match (item, content.split_once(':')) {
            (Some(item), _) => add(file, number, key, item, &mut read, faults),
            (None, Some((name, value))) if depth == 0 => {
                key = name;
                let value = value.trim();
                match (
                    name,
                    value
                        .strip_prefix('[')
                        .and_then(|rest| rest.strip_suffix(']')),
                ) {
                    ("name" | "prefix" | "platforms", _) => {}
                    ("channels" | "dependencies", Some(items)) => {
                        let items = outside::commas(items).map(str::trim);
                        for item in items.filter(|item| !item.is_empty()) {
                            add(file, number, key, item, &mut read, faults);
                        }
                    }
                    ("channels" | "dependencies", None) if value.is_empty() => {}
                    ("variables", _) => {
                        let fault = file.fault(number, "`variables` are not read");
                        faults.push(
                            fault.help("write them in a step: `.env({ \"NAME\": \"value\" })`"),
                        );
                    }
                    _ => faults.push(not_read(file, number)),
                }
            }
            // What stands under a key that is of no matter, or was told already.
            _ if matches!(key, "variables" | "platforms") => {}
            _ => faults.push(not_read(file, number)),
        }
    }
    read
}

fn not_read(file: &File, number: usize) -> Fault {
    let fault = file.fault(number, "this is not of the form that an environment has");
    fault.help("`name`, and lists of `channels` and `dependencies`, an item a line: `- numpy=1.26`")
}

fn add(
    file: &File,
    number: usize,
    key: &str,
    item: &str,
    read: &mut Environment,
    faults: &mut Vec<Fault>,
) {
    let item = &*unquoted(item);
    match key {
        "channels" if item == "nodefaults" => {}
        "channels" => match conda::channel(item) {
            Ok(()) => read.channels.push(item.to_owned()),
            Err(fault) => faults.push(fault.after(&format!("{}:{number}: ", file.path))),
        },
        "dependencies" if item == "pip:" => {
            let fault = file.fault(number, "what stands under `pip:` is not installed by conda");
            faults.push(fault.help("write it in a step after this one: `.pip_install(…)`"));
        }
        "dependencies" => add_spec(file, number, item, read, faults),
        _ => {}
    }
}

/// What a scalar says. Nobody needs more than the quotes themselves from those that stand in quotes.
fn unquoted(scalar: &str) -> Cow<'_, str> {
    let within = |quote| scalar.strip_prefix(quote)?.strip_suffix(quote);
    match (within('"'), within('\'')) {
        (Some(text), _) => text.replace("\\\"", "\"").into(),
        (None, Some(text)) => text.replace("''", "'").into(),
        (None, None) => scalar.into(),
    }
}

fn add_spec(
    file: &File,
    number: usize,
    text: &str,
    read: &mut Environment,
    faults: &mut Vec<Fault>,
) {
    match conda::spec(text) {
        Ok(()) => read.specs.push(text.to_owned()),
        Err(fault) => faults.push(fault.after(&format!("{}:{number}: ", file.path))),
    }
}

/// The lines that say something, from 1, without their comments.
fn lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let lines = file.text.lines().enumerate();
    lines.filter_map(|(index, line)| {
        let line = outside::comment(line).trim_end();
        let is_mark = line.is_empty() || line == "---";
        (!is_mark).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(path: &str, text: &str) -> Result<Environment, Vec<String>> {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut faults = Vec::new();
        let read = match path.ends_with(".yml") {
            true => yaml(&file, &mut faults),
            false => list(&file, &mut faults),
        };
        match faults.is_empty() {
            true => Ok(read),
            false => Err(faults.iter().map(Fault::text).collect()),
        }
    }

    #[test]
    fn an_environment_is_read_with_its_channels() {
        let text = "# ours\nname: ml\nchannels: [pytorch, \"conda-forge\"]\ndependencies:\n  - python=3.11  # theirs\n- 'numpy >=1.26'\n";
        let read = read_text("e.yml", text).unwrap();
        assert_eq!(read.channels, ["pytorch", "conda-forge"]);
        assert_eq!(read.specs, ["python=3.11", "numpy >=1.26"]);
        let text = "dependencies: [a, \"b >=1.2,<2\", 'c[version=''>=3,<4'']', d[version=\">=3,<4\"]] # 'all'\nchannels: # it's\n- 'a' # 'b'\n";
        let read = read_text("e.yml", text).unwrap();
        let specs = [
            "a",
            "b >=1.2,<2",
            "c[version='>=3,<4']",
            "d[version=\">=3,<4\"]",
        ];
        assert_eq!(read.specs, specs);
        assert_eq!(read.channels, ["a"]);
        let text = "dependencies:\n- python[version=\">=3.10,<3.12\"]\n- \"six[version=\\\">=1\\\"]\"\n- 'a # b'\n";
        let faults = read_text("e.yml", text).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("e.yml:4: \"a # b\""), "{faults:?}");
        let read = read_text("specs.txt", "# all\nnumpy=1.26\n\ngdal\n").unwrap();
        assert_eq!(read.specs, ["numpy=1.26", "gdal"]);
    }

    #[test]
    fn what_is_not_read_is_told_with_its_line() {
        for (path, text, said) in [
            (
                "e.yml",
                "dependencies:\n  - numpy\n  - pip:\n    - six==1.0\n",
                "e.yml:3: what stands under `pip:`",
            ),
            ("e.yml", "dependencies:\n  - num py!\n", "e.yml:2: "),
            ("e.yml", "channels:\n  - ftp://a\n", "e.yml:2: "),
            (
                "e.yml",
                "variables:\n  A: b\ndependencies: [a]\n",
                "e.yml:1: `variables`",
            ),
            ("e.yml", "dependencies: &all\n", "e.yml:1: "),
            (
                "e.txt",
                "a\n@EXPLICIT\nhttps://a/b.conda\n",
                "e.txt:2: a list of addresses",
            ),
        ] {
            let faults = read_text(path, text).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(said), "{faults:?}");
        }
    }
}
