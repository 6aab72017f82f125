//! `render`: an image as a Dockerfile, on stdout.

use super::args::Render;
use super::printer::Printer;
use super::{Fault, host, left_out, list, unknown};

#[derive(serde::Serialize)]
struct Report<'a> {
    image: &'a str,
    dockerfile: &'a str,
    /// What it does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// `render`
pub(super) async fn run(arguments: &Render, printer: &Printer) -> Result<(), Fault> {
    let images = list::program()?.images();
    let Some((_, image)) = images.iter().find(|(known, _)| *known == arguments.image) else {
        let known: Vec<_> = images.into_iter().map(|(name, _)| name).collect();
        return Err(unknown("image", &arguments.image, &known));
    };
    let dockerfile = host().await?.render(*image).await?;
    let warnings = left_out(*image);
    warnings.iter().for_each(|warning| printer.warn(warning));
    let report = Report {
        image: &arguments.image,
        dockerfile: &dockerfile,
        warnings,
    };
    printer.output(&report, &dockerfile);
    Ok(())
}
