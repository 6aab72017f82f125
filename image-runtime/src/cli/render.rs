//! `render`: an image as a Dockerfile, on stdout.

use super::args::Render;
use super::printer::Printer;
use super::{Fault, host, list, unknown};

#[derive(serde::Serialize)]
struct Report<'a> {
    image: &'a str,
    dockerfile: &'a str,
}

/// `render`
pub(super) async fn run(arguments: &Render, printer: &Printer) -> Result<(), Fault> {
    let images = list::program()?.images();
    let Some((_, image)) = images.iter().find(|(known, _)| *known == arguments.image) else {
        let known: Vec<_> = images.into_iter().map(|(name, _)| name).collect();
        return Err(unknown("image", &arguments.image, &known));
    };
    let dockerfile = host().await?.render(*image).await?;
    let report = Report {
        image: &arguments.image,
        dockerfile: &dockerfile,
    };
    printer.output(&report, &dockerfile);
    Ok(())
}
