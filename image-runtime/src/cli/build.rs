//! `build`: builds images.

use serde::Serialize;

use super::args::Build;
use super::printer::{Printer, counted, table};
use super::timings::{Report, Timings};
use super::{Fault, host, list, unknown};
use crate::client::{CallError, Host};
use crate::plan::Explained;
use crate::spec::Image;

#[derive(Serialize)]
struct Row {
    image: String,
    layer: String,
    base: String,
    built: usize,
}

/// What `--explain` and `--timings` make of the rows.
#[derive(Serialize)]
struct Full<'a> {
    images: &'a [Row],
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<Vec<ExplainedImage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Report>,
}

/// Why each layer of an image is built or reused.
#[derive(Serialize)]
struct ExplainedImage {
    image: String,
    layers: Vec<Explained>,
}

/// Builds what is missing of all images.
pub(super) async fn all() -> Result<(), Fault> {
    let images = list::program()?.images();
    let images: Vec<_> = images.into_iter().map(|(_, image)| image).collect();
    let built = host().await?.build_all(&images).await;
    let faults: Vec<_> = built.into_iter().filter_map(Result::err).collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults.into()),
    }
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
    let host = host().await?;
    let mut faults = Vec::new();
    let explained = match arguments.explain {
        true => Some(explain(&host, &images, printer, &mut faults).await),
        false => None,
    };
    let built = host.build_all(&all).await;
    // Also after a build that failed: then that is told first.
    let removed = host.remove_passing().await;
    let mut rows = Vec::new();
    for ((image, _), built) in images.into_iter().zip(built) {
        match built {
            Ok(built) => rows.push(Row {
                image,
                layer: built.layer.to_string(),
                base: built.base,
                built: built.built,
            }),
            Err(fault) => faults.push(fault),
        }
    }
    faults.extend(removed.err());
    if !faults.is_empty() {
        return Err(faults.into());
    }
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
    if !arguments.timings && explained.is_none() {
        printer.report(&rows, text);
        return Ok(());
    }
    let full = Full {
        images: &rows,
        explained,
        timings: arguments.timings.then(|| timings.report()),
    };
    printer.report(&full, || match &full.timings {
        Some(timings) => format!("{}\n{}", text(), timings.text()),
        None => text(),
    });
    Ok(())
}

/// Why each layer of images is built or reused; says it as well. Those of which that is not known are added to the faults.
async fn explain(
    host: &Host,
    images: &[(String, Image)],
    printer: &Printer,
    faults: &mut Vec<CallError>,
) -> Vec<ExplainedImage> {
    let mut every = Vec::new();
    for (name, image) in images {
        let layers = match host.explain(*image).await {
            Ok(layers) => layers,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let lines: Vec<_> = layers.iter().map(|layer| format!("\n  {layer}")).collect();
        printer.say(&format!("{name}{}", lines.concat()));
        let image = name.clone();
        every.push(ExplainedImage { image, layers });
    }
    every
}
