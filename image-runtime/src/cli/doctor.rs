//! `doctor`: what this program finds on this machine, and what to mend.

use std::sync::Arc;

use serde::Serialize;

use super::Fault;
use super::args::Doctor;
use super::printer::{Printer, counted};
use crate::base::debian::Mirrors;
use crate::base::python::standalone::Mirror;
use crate::base::uv;
use crate::engine::{self, EngineError, EngineInfo, Selected, Verified};
use crate::gpu::Inventory;
use crate::store::Store;

#[derive(Serialize)]
struct Report {
    program: String,
    engine: Option<Engine>,
    engine_fault: Option<String>,
    store: Option<String>,
    store_fault: Option<String>,
    registry_mirror: Option<String>,
    debian_mirror: String,
    standalone_pythons: String,
    python_packages: String,
    conda_channels: String,
    proxies: Vec<&'static str>,
    certificates: Option<String>,
    gpus: Inventory,
    /// Where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Layers>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Layers {
    Verified(Verified),
    /// The engine keeps them itself.
    NothingToVerify {
        nothing_to_verify: String,
    },
    Fault {
        fault: String,
    },
}

#[derive(Serialize)]
struct Engine {
    name: &'static str,
    because: String,
    #[serde(flatten)]
    info: EngineInfo,
}

pub(super) async fn run(arguments: &Doctor, package: &str, printer: &Printer) -> Result<(), Fault> {
    let (store, store_fault) = found(Store::open());
    let (engine, engine_fault) = match &store {
        Some(store) => found(look(store).await),
        None => (None, Some("it needs the store".to_owned())),
    };
    let (engine, selected) = engine.unzip();
    let layers = match &selected {
        Some(selected) if arguments.verify => Some(verify(&**selected).await),
        _ => None,
    };
    let gpus = tokio::task::spawn_blocking(Inventory::read).await;
    let report = Report {
        gpus: gpus.expect("reading what a driver says does not panic"),
        program: package.to_owned(),
        engine,
        engine_fault,
        store: store.map(|store| store.path().display().to_string()),
        store_fault,
        registry_mirror: std::env::var("IMAGE_REGISTRY_MIRROR").ok(),
        debian_mirror: Mirrors::from_env().main,
        standalone_pythons: Mirror::from_env().url().to_owned(),
        python_packages: uv::mirror(),
        conda_channels: crate::build::conda_mirror(),
        proxies: crate::build::proxies(),
        certificates: crate::build::certificates().map(|path| path.display().to_string()),
        layers,
    };
    printer.report(&report, || text(&report));
    match (report.engine, report.store, report.layers) {
        (_, _, Some(Layers::Verified(Verified { damaged, .. }))) if !damaged.is_empty() => {
            let damaged = counted(damaged.len(), "damaged layer");
            Err(Fault::Failed(format!(
                "{damaged}\n  help: the next build of an image makes what is damaged of it anew"
            )))
        }
        (_, _, Some(Layers::Fault { .. })) => Err(Fault::Failed(
            "the layers could not be verified: see above".into(),
        )),
        (Some(_), Some(_), _) => Ok(()),
        _ => Err(Fault::Failed(
            "something that builds and calls need is missing: see above".into(),
        )),
    }
}

async fn look(store: &Store) -> Result<(Engine, Arc<dyn engine::Engine>), EngineError> {
    let Selected { engine, because } = engine::select(store).await?;
    let found = Engine {
        name: engine.name(),
        because,
        info: engine.info().await?,
    };
    Ok((found, engine))
}

async fn verify(engine: &dyn engine::Engine) -> Layers {
    match engine.verify().await {
        Ok(Some(verified)) => Layers::Verified(verified),
        Ok(None) => Layers::NothingToVerify {
            nothing_to_verify: format!("the {} engine keeps its layers itself", engine.name()),
        },
        Err(error) => Layers::Fault {
            fault: crate::client::chain(&error),
        },
    }
}

fn found<T, E: std::error::Error>(looked: Result<T, E>) -> (Option<T>, Option<String>) {
    match looked {
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(crate::client::chain(&error))),
    }
}

/// A line: how it stands with a thing, what the thing is called, what there is of it.
type Line = (&'static str, String, String);

const GOOD: &str = "✓";
const BAD: &str = "✗";
/// Neither: only told.
const FACT: &str = " ";

fn text(report: &Report) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let mut line = |mark, name: &str, value: String| lines.push((mark, name.into(), value));
    if let Some(Engine {
        name,
        because,
        info,
    }) = &report.engine
    {
        let EngineInfo {
            product,
            version,
            address,
            platform,
            // Facts say so in words.
            only_root: _,
            cpus: _,
            memory: _,
            facts,
        } = info;
        line(
            GOOD,
            "engine",
            format!("{name}: {product} {version} at {address}"),
        );
        line(FACT, "chosen", because.clone());
        line(FACT, "platform", platform.clone());
        for (name, value) in facts {
            line(FACT, name, value.clone());
        }
    }
    if let Some(fault) = &report.engine_fault {
        line(BAD, "engine", fault.clone());
    }
    if let Some(path) = &report.store {
        line(GOOD, "store", path.clone());
    }
    if let Some(fault) = &report.store_fault {
        line(BAD, "store", fault.clone());
    }
    let registry = match &report.registry_mirror {
        Some(mirror) => format!("through {mirror} (IMAGE_REGISTRY_MIRROR)"),
        None => "(IMAGE_REGISTRY_MIRROR is not set)".into(),
    };
    line(
        FACT,
        "bases",
        format!(
            "1. layers that exist\n2. the registry {registry}\n3. the Debian archive at {} (IMAGE_DEBIAN_MIRROR)",
            report.debian_mirror
        ),
    );
    line(
        FACT,
        "Python",
        format!(
            "1. the registry’s `python:` images\n2. the one of the Debian suite\n3. standalone ones from {} (IMAGE_PYTHON_MIRROR)",
            report.standalone_pythons
        ),
    );
    line(
        FACT,
        "uv",
        format!("from {} (IMAGE_PYPI_MIRROR)", report.python_packages),
    );
    line(
        FACT,
        "conda",
        format!(
            "channels from {} (IMAGE_CONDA_MIRROR)",
            report.conda_channels
        ),
    );
    let proxies = match &report.proxies[..] {
        [] => "none".to_owned(),
        proxies => proxies.join(", "),
    };
    line(FACT, "proxies", proxies);
    let certificates = report.certificates.clone();
    let certificates = certificates.unwrap_or_else(|| "none of this system were found".into());
    line(FACT, "certificates", certificates);
    let Inventory { gpus, reason } = &report.gpus;
    line(
        FACT,
        "GPUs",
        match gpus.as_slice() {
            [] => reason.clone().unwrap_or_else(|| "none".to_owned()),
            some => {
                let names: Vec<_> = some.iter().map(ToString::to_string).collect();
                names.join("\n")
            }
        },
    );
    if let Some(layers) = &report.layers {
        lines.extend(layers_lines(layers));
    }
    columns(&lines)
}

fn layers_lines(layers: &Layers) -> Vec<Line> {
    let line = |mark, value| (mark, "layers".to_owned(), value);
    let Verified { layers, damaged } = match layers {
        Layers::Verified(verified) => verified,
        Layers::NothingToVerify { nothing_to_verify } => {
            return vec![line(
                FACT,
                format!("nothing to verify: {nothing_to_verify}"),
            )];
        }
        Layers::Fault { fault } => return vec![line(BAD, fault.clone())],
    };
    if damaged.is_empty() {
        let whole = format!(
            "{} as they were made, as times of change tell (what a broken disk returns is not looked at)",
            counted(*layers, "layer")
        );
        return vec![line(GOOD, whole)];
    }
    let described = damaged.iter().map(|damaged| {
        let title = match damaged.title.as_str() {
            "" => "of which nothing is known",
            title => title,
        };
        let faults = damaged.faults.join("\n");
        line(BAD, format!("{} {title}\n{faults}", damaged.layer))
    });
    described.collect()
}

/// The values below each other, those of several lines too.
fn columns(lines: &[Line]) -> String {
    let width = lines.iter().map(|(_, name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    let indent = format!("\n{}", " ".repeat(width + 4));
    lines
        .iter()
        .map(|(mark, name, value)| {
            format!("{mark} {name:width$}  {}\n", value.replace('\n', &indent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_stand_below_each_other() {
        let lines = [
            (super::GOOD, "engine".to_owned(), "a".to_owned()),
            (
                super::BAD,
                "storage driver".to_owned(),
                "b\n  help: c".to_owned(),
            ),
        ];
        assert_eq!(
            super::columns(&lines),
            "✓ engine          a\n✗ storage driver  b\n                    help: c\n"
        );
    }
}
