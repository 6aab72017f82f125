//! `lock`: writes `image.lock`.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::args::Lock;
use super::printer::{Printer, counted};
use super::{Fault, host, list};

#[derive(Serialize)]
struct Report {
    path: String,
    images: usize,
    changed: bool,
}

pub(super) async fn run(arguments: &Lock, printer: &Printer) -> Result<(), Fault> {
    let images: Vec<_> = list::program()?
        .images()
        .into_iter()
        .map(|(_, image)| image)
        .collect();
    let (path, text) = host().await?.lock(&images).await?;
    let changed = std::fs::read(&path).ok().as_deref() != Some(text.as_bytes());
    if changed {
        write(&path, &text).map_err(|error| {
            Fault::Failed(format!("`{}` cannot be written: {error}", path.display()))
        })?;
    }
    let report = Report {
        path: path.display().to_string(),
        images: images.len(),
        changed,
    };
    printer.report(&report, || {
        let images = counted(report.images, "image");
        match (changed, arguments.update) {
            (true, _) => format!("wrote {}: {images}", report.path),
            (false, true) => format!("{} is up to date: {images}", report.path),
            (false, false) => format!("{} fits: {images}", report.path),
        }
    });
    Ok(())
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(".image.lock")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_data()?;
    // Others read it, as they read `Cargo.lock`.
    std::fs::set_permissions(
        file.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )?;
    file.persist(path)?;
    Ok(())
}
