//! `images` and `functions`: what the program defines. Needs no engine; what is known of bases comes from the store.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Fault;
use super::printer::{Printer, table};
use crate::build::known_base;
use crate::client::is_of;
use crate::plan::{BaseSource, ResolvedBase};
use crate::registry::Program;
use crate::spec::{Base, FunctionSpec, Parameter};
use crate::store::Store;

#[derive(Serialize)]
struct ImageRow {
    name: String,
    place: String,
    base: String,
    steps: Vec<&'static str>,
}

pub(super) fn images(printer: &Printer) -> Result<(), Fault> {
    let program = program()?;
    // Without a store, nothing is known.
    let store = Store::open().ok();
    let known = |image| known_base(store.as_ref()?, image);
    let rows: Vec<_> = program
        .images()
        .into_iter()
        .map(|(name, image)| ImageRow {
            name,
            place: image.spec().place.to_string(),
            base: match image.spec().base {
                Base::DebianSlim(base) => match base.python {
                    None => "debian_slim".into(),
                    Some(python) => match known(image) {
                        Some(ResolvedBase {
                            python: Some(python),
                            ..
                        }) => format!("debian_slim, standalone Python {}", python.version),
                        Some(ResolvedBase {
                            source:
                                BaseSource::Archive {
                                    suite,
                                    python: Some(series),
                                    ..
                                },
                            ..
                        }) => format!("debian_slim, Python {series} of Debian {suite}"),
                        _ => format!("debian_slim, Python {}", python.exact),
                    },
                },
                Base::Micromamba(base) => format!("micromamba, Python {}", base.python.series),
                Base::FromRegistry(base) => base.reference.into(),
                Base::FromDockerfile(base) => base.path.into(),
                Base::Scratch => "scratch".into(),
                Base::Image(image) => image.path.into(),
            },
            steps: image
                .spec()
                .steps
                .iter()
                .map(crate::spec::Step::verb)
                .collect(),
        })
        .collect();
    printer.report(&rows, || {
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                [
                    row.name.clone(),
                    row.base.clone(),
                    row.steps.join(", "),
                    row.place.clone(),
                ]
            })
            .collect();
        table(["IMAGE", "BASE", "STEPS", "PLACE"], &cells)
    });
    Ok(())
}

#[derive(Serialize)]
struct FunctionRow {
    name: &'static str,
    /// What the state of its class is made of.
    #[serde(rename = "new", skip_serializing_if = "Option::is_none")]
    enter: Option<Vec<ParameterRow>>,
    parameters: Vec<ParameterRow>,
    result: &'static str,
    image: String,
    timeout_ms: Option<u128>,
    place: String,
}

#[derive(Serialize)]
struct ParameterRow {
    name: &'static str,
    #[serde(rename = "type")]
    ty: &'static str,
}

pub(super) fn functions(printer: &Printer) -> Result<(), Fault> {
    let program = program()?;
    let names = program.names();
    let rows: Vec<_> = program
        .functions()
        .map(|function| FunctionRow {
            name: function.name,
            enter: function
                .class
                .map(|class| parameter_rows(class.enter.parameters)),
            parameters: parameter_rows(function.parameters),
            result: function.result,
            image: names.name(program.image_of(function)),
            timeout_ms: program
                .options_of(function)
                .timeout
                .map(|limit| limit.as_millis()),
            place: function.place.to_string(),
        })
        .collect();
    printer.report(&rows, || {
        let cells: Vec<_> = program
            .functions()
            .zip(&rows)
            .map(|(function, row)| [signature(function), row.image.clone(), row.place.clone()])
            .collect();
        table(["FUNCTION", "IMAGE", "PLACE"], &cells)
    });
    Ok(())
}

fn parameter_rows(parameters: &[Parameter]) -> Vec<ParameterRow> {
    let rows = parameters.iter();
    let row = |parameter: &Parameter| ParameterRow {
        name: parameter.name,
        ty: parameter.ty,
    };
    rows.map(row).collect()
}

/// `train(epochs: u32) -> f64`, as people would write it; of a method with what its class is made of first, as `call` takes it:
/// `Model.predict([size: u32], x: f32) -> f32`.
pub(super) fn signature(function: &FunctionSpec) -> String {
    let list = |parameters: &[Parameter]| {
        let texts = parameters.iter();
        let texts = texts.map(|parameter| format!("{}: {}", parameter.name, parameter.ty));
        texts.collect::<Vec<_>>().join(", ")
    };
    let mut parameters = list(function.parameters);
    if let Some(class) = function.class {
        let separator = if parameters.is_empty() { "" } else { ", " };
        parameters = format!("[{}]{separator}{parameters}", list(class.enter.parameters));
    }
    let result = match function.result {
        "()" => String::new(),
        result => format!(" -> {result}"),
    };
    format!("{}({}){result}", function.name, parameters)
}

/// Whether this program is deployed under that name.
pub(super) fn is_app(name: &str, package: &'static str) -> bool {
    Program::get().is_ok_and(|program| program.app_name(package) == name)
}

/// Whether this program has a function or a class of that name.
pub(super) fn is_function(name: &str) -> bool {
    Program::get().is_ok_and(|program| program.functions().any(|one| is_of(one.name, name)))
}

/// The names of the functions and classes of this program.
pub(super) fn callable() -> Vec<String> {
    let functions = Program::get().into_iter().flat_map(Program::functions);
    let names = functions.flat_map(|function| {
        let class = function.name.split_once('.').map(|(class, _)| class);
        class.into_iter().chain([function.name])
    });
    let names: BTreeSet<_> = names.map(str::to_owned).collect();
    names.into_iter().collect()
}

pub(super) fn program() -> Result<&'static Program, Fault> {
    Program::get().map_err(|error| Fault::failed(&error))
}
