//! `call`: calls a function with arguments in JSON, and prints its result as JSON.

use super::args::Call;
use super::printer::Printer;
use super::{Fault, host, list, unknown};

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
    let result = host().await?.call(function, &encoded, None).await?;
    let result = (function.json.decode_result)(&result).map_err(|reason| {
        Fault::Failed(format!(
            "the result of `{}` does not fit into JSON: {reason}",
            function.name
        ))
    })?;
    printer.result(&result);
    Ok(())
}
