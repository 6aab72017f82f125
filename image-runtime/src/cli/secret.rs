//! `secret`: the local store of secrets. Values are read, and never printed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::SystemTime;

use serde::Serialize;

use super::Fault;
use super::args::{CreateSecret, Secret};
use super::printer::{Printer, counted, table};
use crate::secrets::{NamedSecrets, SecretError, read_dotenv};

#[derive(Serialize)]
struct Row {
    name: String,
    variables: Vec<String>,
    /// Seconds since 1970.
    created: u64,
}

pub(super) fn run(arguments: &Secret, printer: &Printer) -> Result<(), Fault> {
    let secrets = NamedSecrets::open().map_err(|error| Fault::failed(&error))?;
    match arguments {
        Secret::Create(create) => {
            let variables = variables(create)?;
            let done = secrets.put(&create.name, &variables, create.force);
            done.map_err(|error| fault(&error))?;
            report(
                printer,
                &create.name,
                "created",
                variables.into_keys().collect(),
            );
        }
        Secret::List => list(&secrets, printer)?,
        Secret::Delete { name } => {
            secrets.remove(name).map_err(|error| match error {
                SecretError::NoName { .. } => Fault::Usage(format!(
                    "there is no secret `{name}`\n  help: `secret list` lists those there are"
                )),
                error => fault(&error),
            })?;
            report(printer, name, "deleted", Vec::new());
        }
    }
    Ok(())
}

fn report(printer: &Printer, name: &str, done: &str, variables: Vec<String>) {
    let report = serde_json::json!({ "secret": name, "done": done, "variables": variables });
    printer.report(&report, || match variables.as_slice() {
        [] => format!("{done} the secret `{name}`"),
        some => {
            let count = counted(some.len(), "variable");
            format!("{done} the secret `{name}`: {count}, {}", some.join(", "))
        }
    });
}

fn list(secrets: &NamedSecrets, printer: &Printer) -> Result<(), Fault> {
    let all = secrets.list().map_err(|error| fault(&error))?;
    let rows: Vec<_> = all
        .into_iter()
        .map(|info| Row {
            name: info.name,
            variables: info.variables,
            created: info
                .created
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        })
        .collect();
    printer.report(&rows, || {
        if rows.is_empty() {
            return "there is no secret".to_owned();
        }
        let cells: Vec<_> = rows
            .iter()
            .map(|row| [row.name.clone(), row.variables.join(", ")])
            .collect();
        table(["SECRET", "VARIABLES"], &cells)
    });
    Ok(())
}

/// The variables that the command line names, with their values.
fn variables(create: &CreateSecret) -> Result<BTreeMap<String, String>, Fault> {
    let mut variables = BTreeMap::new();
    if let Some(path) = &create.from_dotenv {
        variables.extend(read_dotenv(path).map_err(|error| fault(&error))?);
    }
    for given in &create.variables {
        let (name, value) = match given.split_once('=') {
            Some((name, "-")) => (name, from_stdin(name)?),
            Some((name, value)) => (name, value.to_owned()),
            None => {
                let value = std::env::var(given);
                let missing = || {
                    format!(
                        "no variable `{given}` is set\n  help: write `{given}=value`, or `{given}=-` to read the value from standard input"
                    )
                };
                (given.as_str(), value.map_err(|_| Fault::Usage(missing()))?)
            }
        };
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(Fault::Usage(format!(
                "{name:?} is not a name of an environment variable: letters, digits and `_`, not starting with a digit"
            )));
        }
        variables.insert(name.to_owned(), value);
    }
    match variables.is_empty() {
        true => Err(Fault::Usage(
            "a secret needs at least one variable\n  help: such as `TOKEN=value`, or `--from-dotenv .env`".to_owned(),
        )),
        false => Ok(variables),
    }
}

/// All of standard input, without the end of its last line.
fn from_stdin(name: &str) -> Result<String, Fault> {
    let mut value = String::new();
    let read = std::io::stdin().read_to_string(&mut value);
    read.map_err(|error| Fault::Failed(format!("the value of `{name}` cannot be read: {error}")))?;
    let end = value.trim_end_matches(['\r', '\n']).len();
    value.truncate(end);
    Ok(value)
}

/// A wrong name is wrong usage; anything else is work that failed.
fn fault(error: &SecretError) -> Fault {
    match Fault::failed(error) {
        Fault::Failed(text)
            if matches!(error, SecretError::Name(_) | SecretError::NoName { .. }) =>
        {
            Fault::Usage(text)
        }
        fault => fault,
    }
}
