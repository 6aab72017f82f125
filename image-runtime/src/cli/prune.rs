//! `prune`: removes layers that were not used for long, and what killed programs left.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::args::Prune;
use super::printer::{Printer, counted};
use super::{Fault, host};
use crate::build::{Shelf, prune_contents, prune_ledger, sweep_passing};
use crate::engine::EngineError;
use crate::store::Bytes;
use crate::ui::format;
use crate::worker::{LOG_KEPT, bundle};

/// How long a layer stays without being used.
const UNUSED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[derive(Default, Serialize)]
struct Report {
    layers: usize,
    containers: usize,
    bundles: usize,
    caches: usize,
    run_folders: usize,
    logs: usize,
    store_bytes: u64,
    /// Whether downloads stay because something is built.
    downloads_in_use: bool,
    /// Bytes of the layers that are left, where that was limited.
    kept_bytes: Option<u64>,
}

pub(super) async fn run(arguments: &Prune, printer: &Printer) -> Result<(), Fault> {
    let host = host().await?;
    let failed = |error: EngineError| Fault::failed(&error);
    let mut report = Report {
        containers: host.engine.sweep().await.map_err(failed)?.containers,
        run_folders: host.store.sweep(),
        ..Report::default()
    };
    let (engine, store) = (&*host.engine, &*host.store);
    let removed = sweep_passing(engine, store).await;
    report.layers += removed.map_err(failed)?;
    let now = SystemTime::now();
    let is_old = |used| arguments.all || now.duration_since(used).is_ok_and(|age| age > UNUSED);
    let mut shelf = Shelf::of(engine, store).await.map_err(failed)?;
    let removed = shelf.remove_while(engine, store, |_, used| is_old(used));
    report.layers += removed.await.map_err(failed)?;
    let old_in_use = shelf.count(is_old);
    if let Some(Bytes(most)) = arguments.keep {
        let removed = shelf.remove_while(engine, store, |shelf, _| shelf.size() > most);
        report.layers += removed.await.map_err(failed)?;
        report.kept_bytes = Some(shelf.size());
    }
    let unused = if arguments.all {
        Duration::ZERO
    } else {
        UNUSED
    };
    report.bundles = bundle::prune(host.store.workers().path(), unused)
        .map_err(|error| Fault::failed(&error))?;
    report.logs = store.prune_logs(if arguments.all {
        Duration::ZERO
    } else {
        LOG_KEPT
    });
    prune_ledger(store).map_err(|error| Fault::failed(&error))?;
    prune_contents(store, engine.name(), &shelf.identities())
        .map_err(|error| Fault::failed(&error))?;
    if arguments.all {
        store.forget_uses_except(&shelf.identities());
        report.caches = host.engine.remove_caches().await.map_err(failed)?;
        let removed = host.store.remove_caches();
        let removed = removed.map_err(|error| Fault::failed(&error))?;
        report.store_bytes = removed.unwrap_or_default();
        report.downloads_in_use = removed.is_none();
    }
    printer.report(&report, || {
        let mut text = format!(
            "removed {}, {} and {}",
            counted(report.layers, "layer"),
            counted(report.containers, "container"),
            counted(report.bundles, "worker")
        );
        if arguments.all {
            text += &format!(
                ", {}, {} of downloads",
                counted(report.caches, "build cache"),
                format::size(report.store_bytes)
            );
        }
        if report.logs > 0 {
            text += &format!(", {}", counted(report.logs, "log"));
        }
        if old_in_use > 0 {
            text += &format!("; kept {} in use", counted(old_in_use, "layer"));
        }
        if report.downloads_in_use {
            text += "; kept downloads, which a build may need";
        }
        if let Some(kept) = report.kept_bytes {
            text += &format!("; {} of layers are left", format::size(kept));
            if arguments.keep.is_some_and(|Bytes(most)| kept > most) {
                text += ", which are in use";
            }
        }
        text
    });
    Ok(())
}
