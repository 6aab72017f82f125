//! `build`: builds images.

use serde::Serialize;

use super::args::Build;
use super::printer::{Printer, counted, table};
use super::timings::{Report, Timings};
use super::{Fault, host, list, unknown};

#[derive(Serialize)]
struct Row {
    image: String,
    layer: String,
    base: String,
    built: usize,
}

/// What `--timings` adds.
#[derive(Serialize)]
struct Timed<'a> {
    images: &'a [Row],
    timings: Report,
}

pub(super) async fn run(
    arguments: &Build,
    timings: &Timings,
    printer: &Printer,
) -> Result<(), Fault> {
    let mut images = list::program()?.images();
    let known: Vec<_> = images.iter().map(|(name, _)| name.clone()).collect();
    if let Some(name) = arguments.images.iter().find(|name| !known.contains(name)) {
        return Err(unknown("image", name, &known));
    }
    if !arguments.images.is_empty() {
        images.retain(|(name, _)| arguments.images.contains(name));
    }
    let all: Vec<_> = images.iter().map(|(_, image)| *image).collect();
    let built = host().await?.build_all(&all).await?;
    let rows: Vec<_> = images
        .into_iter()
        .zip(built)
        .map(|((image, _), built)| Row {
            image,
            layer: built.layer.to_string(),
            base: built.base,
            built: built.built,
        })
        .collect();
    let text = || {
        let cells: Vec<_> = rows
            .iter()
            .map(|row| {
                let built = match row.built {
                    0 => "nothing to do".into(),
                    count => format!("{} built", counted(count, "layer")),
                };
                [
                    row.image.clone(),
                    row.layer[..12].to_owned(),
                    row.base.clone(),
                    built,
                ]
            })
            .collect();
        table(["IMAGE", "LAYER", "BASE", "BUILT"], &cells)
    };
    if arguments.timings {
        let timed = Timed {
            images: &rows,
            timings: timings.report(),
        };
        printer.report(&timed, || format!("{}\n{}", text(), timed.timings.text()));
    } else {
        printer.report(&rows, text);
    }
    Ok(())
}
