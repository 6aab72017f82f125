//! `call`: calls a function with arguments in JSON, and prints its result as JSON; of a stream each item.

use super::args::Call;
use super::printer::Printer;
use super::{Fault, host, list, unknown};
use crate::client::Items;
use crate::spec::{FunctionSpec, Invoke};

pub(super) async fn run(arguments: &Call, printer: &Printer) -> Result<(), Fault> {
    let program = list::program()?;
    let Some(function) = program.function(&arguments.function) else {
        let known: Vec<_> = program
            .functions()
            .map(|function| function.name.to_owned())
            .collect();
        return Err(unknown("function", &arguments.function, &known));
    };
    let values = arguments
        .arguments
        .iter()
        .map(|text| {
            serde_json::from_str(text).map_err(|error| {
                Fault::Usage(format!(
                    "`{text}` is not JSON: {error}\n  help: a string needs its quotes: '\"{text}\"'"
                ))
            })
        })
        .collect::<Result<Vec<serde_json::Value>, _>>()?;
    let encoded = (function.json.encode_arguments)(values).map_err(|reason| {
        Fault::Usage(format!("{reason}\n  help: {}", list::signature(function)))
    })?;
    let host = host().await?;
    if let Invoke::Items(_) | Invoke::Stream(_) = function.invoke {
        let mut items = Items::<()>::new(function, Ok(encoded));
        while let Some(item) = items.next_encoded().await {
            print(function, &item?, printer)?;
        }
        return Ok(());
    }
    print(function, &host.call(function, encoded).await?, printer)
}

fn print(function: &FunctionSpec, value: &[u8], printer: &Printer) -> Result<(), Fault> {
    let value = (function.json.decode_result)(value).map_err(|reason| {
        Fault::Failed(format!(
            "the result of `{}` does not fit into JSON: {reason}",
            function.name
        ))
    })?;
    printer.result(&value);
    Ok(())
}
