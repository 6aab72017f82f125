//! `call`: calls a function with arguments in JSON, and prints its result as JSON; of a stream each item.

use super::args::Call;
use super::printer::Printer;
use super::{Fault, list, unknown};
use crate::client::{self, Callee, Instance, Items};
use crate::spec::{ClassSpec, FunctionSpec};

pub(super) async fn run(arguments: &Call, printer: &Printer) -> Result<(), Fault> {
    let program = list::program()?;
    let Some(function) = program.function(&arguments.function) else {
        let known: Vec<_> = program
            .functions()
            .map(|function| function.name.to_owned())
            .collect();
        return Err(unknown("function", &arguments.function, &known));
    };
    let mut texts = arguments.arguments.iter();
    let instance = match function.class {
        Some(class) => Some(instance(class, function, texts.next())?),
        None => None,
    };
    let values = texts
        .map(|text| json(text))
        .collect::<Result<Vec<serde_json::Value>, _>>()?;
    let encoded = (function.json.encode_arguments)(values).map_err(|reason| {
        Fault::Usage(format!("{reason}\n  help: {}", list::signature(function)))
    })?;
    let callee = match &instance {
        Some(instance) => Callee::method(function, instance),
        None => function.into(),
    };
    if function.invoke.is_stream() {
        let mut items = Items::<()>::new(callee, Ok(encoded), |_| Ok(()));
        while let Some(item) = items.next_encoded().await {
            if !print(function, item?, printer)? {
                break;
            }
        }
        return Ok(());
    }
    print(function, client::call(&callee, encoded).await?, printer).map(drop)
}

fn json(text: &str) -> Result<serde_json::Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::Usage(format!(
            "`{text}` is not JSON: {error}\n  help: a string needs its quotes: '\"{text}\"'"
        ))
    })
}

/// The class of a method, with the arguments of what makes its state: the first argument is the array of these.
fn instance(
    class: &'static ClassSpec,
    method: &FunctionSpec,
    text: Option<&String>,
) -> Result<Instance, Fault> {
    let help = || format!("\n  help: {}", list::signature(method));
    let Some(serde_json::Value::Array(values)) = text.map(|text| json(text)).transpose()? else {
        return Err(Fault::Usage(format!(
            "the first argument of `{}` must be a JSON array: the arguments of `{}`{}",
            method.name,
            class.enter.name,
            help()
        )));
    };
    let encoded = (class.enter.json.encode_arguments)(values);
    let encoded = encoded
        .map_err(|reason| Fault::Usage(format!("`{}`: {reason}{}", class.enter.name, help())))?;
    Ok(Instance::new(class, Ok(encoded)))
}

/// Answers whether anybody still reads.
fn print(function: &FunctionSpec, value: Vec<u8>, printer: &Printer) -> Result<bool, Fault> {
    let value = (function.json.decode_result)(value).map_err(|reason| {
        Fault::Failed(format!(
            "the result of `{}` does not fit into JSON: {reason}",
            function.name
        ))
    })?;
    printer.write(&value).map_err(|error| {
        Fault::Failed(format!(
            "the result of `{}` cannot be written: {error}",
            function.name
        ))
    })
}
