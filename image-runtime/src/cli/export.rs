//! `export` and `push`: an image leaves the store.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::args::{Export, ExportPath, ImageName, Push};
use super::printer::{Printer, counted};
use super::{Fault, host, left_out, list, unknown};
use crate::base::oci;
use crate::build::Built;
use crate::client::Host;
use crate::engine::EngineError;
use crate::event::Event;
use crate::export::{self, Exported, Progress};
use crate::ui::format::size;

#[derive(Serialize)]
struct Report<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    digest: &'a str,
    layers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded: Option<usize>,
    size: u64,
    /// What the image does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// `export`
pub(super) async fn files(arguments: &Export, printer: &Printer) -> Result<(), Fault> {
    let Export { image, path, tag } = arguments;
    let ExportPath(path) = path;
    let Some(shown) = path.to_str() else {
        return Err(Fault::Usage("the path is not UTF-8".to_owned()));
    };
    let tag = tag.as_ref().map(|ImageName(tag)| tag.as_str());
    let (host, built, warnings) = build(image, printer).await?;
    let work = async |progress: &Progress<'_>| {
        let engine = host.engine.as_ref();
        export::to_files(engine, &built, path, tag, progress).await
    };
    let done = told(&host, &built, image, &format!("export to {shown}"), work).await?;
    let report = Report {
        image,
        path: Some(shown),
        reference: None,
        digest: &done.digest,
        layers: done.layers,
        uploaded: None,
        size: done.size,
        warnings,
    };
    printer.report(&report, || {
        format!(
            "exported {image} to {shown}: {}, {}, {}",
            counted(done.layers, "layer"),
            size(done.size),
            done.digest,
        )
    });
    Ok(())
}

/// `push`
pub(super) async fn push(arguments: &Push, printer: &Printer) -> Result<(), Fault> {
    let Push { image, reference } = arguments;
    let ImageName(reference) = reference;
    let (host, built, warnings) = build(image, printer).await?;
    let work = async |progress: &Progress<'_>| {
        let client = oci::Client::new(host.store.downloads());
        let engine = host.engine.as_ref();
        export::to_registry(engine, &built, &client, reference, progress).await
    };
    let done = told(&host, &built, image, &format!("push to {reference}"), work).await?;
    let report = Report {
        image,
        path: None,
        reference: Some(reference),
        digest: &done.digest,
        layers: done.layers,
        uploaded: Some(done.moved),
        size: done.size,
        warnings,
    };
    printer.report(&report, || {
        let uploaded = match done.moved {
            0 => "all there already".to_owned(),
            some => format!("{some} uploaded"),
        };
        format!(
            "pushed {image} to {reference}: {}, {uploaded}, {}",
            counted(done.layers, "layer"),
            done.digest,
        )
    });
    Ok(())
}

/// Builds what is missing of an image, by its name. Says what is not in it.
async fn build(
    name: &str,
    printer: &Printer,
) -> Result<(Arc<Host>, Arc<Built>, Vec<String>), Fault> {
    let images = list::program()?.images();
    let Some((_, image)) = images.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = images.into_iter().map(|(name, _)| name).collect();
        return Err(unknown("image", name, &known));
    };
    let host = host().await?;
    let built = host.build(*image).await?;
    let warnings = left_out(*image);
    warnings.iter().for_each(|warning| printer.warn(warning));
    Ok((host, built, warnings))
}

/// Does something with an image, and tells how far it is as if it were one step of a build.
async fn told(
    host: &Host,
    built: &Built,
    image: &str,
    title: &str,
    work: impl AsyncFnOnce(&Progress<'_>) -> Result<Exported, EngineError>,
) -> Result<Exported, Fault> {
    let begin = Instant::now();
    let (events, layer) = (&host.events, built.layer);
    events.tell(Event::BuildStarted { layers: 1 });
    events.tell(Event::LayerStarted {
        layer,
        title: title.to_owned(),
        image: image.to_owned(),
    });
    let progress = |activity, done, total| {
        events.tell(Event::LayerProgress {
            layer,
            activity,
            done,
            total,
        });
    };
    let done = work(&progress).await;
    let elapsed = begin.elapsed();
    match &done {
        Ok(_) => {
            events.tell(Event::LayerFinished { layer, elapsed });
            events.tell(Event::BuildFinished { built: 0, elapsed });
        }
        Err(_) => {
            events.tell(Event::LayerFailed { layer, elapsed });
            events.tell(Event::BuildFailed);
        }
    }
    done.map_err(|error| Fault::failed(&error))
}
