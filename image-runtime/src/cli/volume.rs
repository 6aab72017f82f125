//! `volume`: what functions keep. Nothing else removes a volume.

use super::args::Volume;
use super::printer::{Printer, table};
use super::{Fault, host};
use crate::engine::EngineError;

pub(super) async fn run(arguments: &Volume, printer: &Printer) -> Result<(), Fault> {
    let engine = &host().await?.engine;
    let failed = |error: EngineError| Fault::failed(&error);
    match arguments {
        Volume::List => {
            let volumes = engine.volumes().await.map_err(failed)?;
            printer.report(&volumes, || {
                if volumes.is_empty() {
                    return "there is no volume".to_owned();
                }
                let rows = volumes.iter();
                let rows: Vec<_> = rows
                    .map(|volume| [volume.name.clone(), volume.place.clone()])
                    .collect();
                table(["VOLUME", "PLACE"], &rows)
            });
        }
        Volume::Delete { name } => {
            // A container that died with its program is no user of it any more.
            engine.sweep().await.map_err(failed)?;
            let all = engine.volumes().await.map_err(failed)?;
            // A name that is none of ours is no path either.
            let is_there = all.iter().any(|volume| volume.name == *name);
            if !is_there || !engine.remove_volume(name).await.map_err(failed)? {
                return Err(Fault::Usage(format!(
                    "there is no volume `{name}`\n  help: `volume list` lists those there are"
                )));
            }
            let report = serde_json::json!({ "volume": name, "done": "deleted" });
            printer.report(&report, || format!("deleted the volume `{name}`"));
        }
    }
    Ok(())
}
