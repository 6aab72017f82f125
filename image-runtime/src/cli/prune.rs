//! `prune`: removes layers that were not used for long, and what killed programs left.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::args::Prune;
use super::printer::{Printer, counted};
use super::{Fault, host};
use crate::engine::EngineError;
use crate::ui::format;
use crate::worker::bundle;

/// How long a layer stays without being used.
const UNUSED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

#[derive(Default, Serialize)]
struct Report {
    layers: usize,
    containers: usize,
    bundles: usize,
    caches: usize,
    run_folders: usize,
    store_bytes: u64,
}

pub(super) async fn run(arguments: &Prune, printer: &Printer) -> Result<(), Fault> {
    let host = host().await?;
    let failed = |error: EngineError| Fault::failed(&error);
    let mut report = Report {
        containers: host.engine.sweep().await.map_err(failed)?.containers,
        run_folders: host.store.sweep(),
        ..Report::default()
    };
    let now = SystemTime::now();
    let mut layers = host.engine.layers().await.map_err(failed)?;
    layers.retain(|layer| {
        let used = host.store.last_use(&layer.id).unwrap_or(layer.created);
        arguments.all || now.duration_since(used).is_ok_and(|age| age > UNUSED)
    });
    // A layer can go once those above it are gone: go over them until a round removes nothing.
    loop {
        let before = layers.len();
        let mut kept = Vec::new();
        for layer in layers {
            match host.engine.remove_layer(&layer.id).await {
                Ok(()) => {
                    host.store.forget_use(&layer.id);
                    report.layers += 1;
                }
                Err(EngineError::InUse { .. }) => kept.push(layer),
                Err(error) => return Err(failed(error)),
            }
        }
        layers = kept;
        if layers.is_empty() || layers.len() == before {
            break;
        }
    }
    let unused = if arguments.all {
        Duration::ZERO
    } else {
        UNUSED
    };
    report.bundles = bundle::prune(host.store.workers().path(), unused)
        .map_err(|error| Fault::failed(&error))?;
    if arguments.all {
        let kept: Vec<_> = layers.iter().map(|layer| layer.id).collect();
        host.store.forget_uses_except(&kept);
        report.caches = host.engine.remove_caches().await.map_err(failed)?;
        report.store_bytes = host
            .store
            .remove_caches()
            .map_err(|error| Fault::failed(&error))?;
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
        if !layers.is_empty() {
            text += &format!("; kept {} in use", counted(layers.len(), "layer"));
        }
        text
    });
    Ok(())
}
