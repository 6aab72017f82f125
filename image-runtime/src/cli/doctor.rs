//! `doctor`: what this program finds on this machine, and what to mend.

use serde::Serialize;

use super::Fault;
use super::printer::Printer;
use crate::base::debian::Mirrors;
use crate::base::uv;
use crate::engine::{self, EngineError, EngineInfo, Selected};
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
    python_packages: String,
    proxies: Vec<&'static str>,
    certificates: Option<String>,
}

#[derive(Serialize)]
struct Engine {
    name: &'static str,
    because: String,
    #[serde(flatten)]
    info: EngineInfo,
}

pub(super) async fn run(package: &str, printer: &Printer) -> Result<(), Fault> {
    let (store, store_fault) = found(Store::open());
    let (engine, engine_fault) = match &store {
        Some(store) => found(look(store).await),
        None => (None, Some("it needs the store".to_owned())),
    };
    let report = Report {
        program: package.to_owned(),
        engine,
        engine_fault,
        store: store.map(|store| store.path().display().to_string()),
        store_fault,
        registry_mirror: std::env::var("IMAGE_REGISTRY_MIRROR").ok(),
        debian_mirror: Mirrors::from_env().main,
        python_packages: uv::mirror(),
        proxies: crate::build::proxies(),
        certificates: crate::build::certificates().map(|path| path.display().to_string()),
    };
    printer.report(&report, || text(&report));
    match (report.engine, report.store) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(Fault::Failed(
            "something that builds and calls need is missing: see above".into(),
        )),
    }
}

async fn look(store: &Store) -> Result<Engine, EngineError> {
    let Selected { engine, because } = engine::select(store).await?;
    Ok(Engine {
        name: engine.name(),
        because,
        info: engine.info().await?,
    })
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
            // A fact says so in words.
            only_root: _,
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
        "uv",
        format!("from {} (IMAGE_PYPI_MIRROR)", report.python_packages),
    );
    let proxies = match &report.proxies[..] {
        [] => "none".to_owned(),
        proxies => proxies.join(", "),
    };
    line(FACT, "proxies", proxies);
    let certificates = report.certificates.clone();
    let certificates = certificates.unwrap_or_else(|| "none of this system were found".into());
    line(FACT, "certificates", certificates);
    columns(&lines)
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
