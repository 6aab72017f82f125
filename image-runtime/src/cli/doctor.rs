//! `doctor`: what this program finds on this machine, and what to mend.

use serde::Serialize;

use super::Fault;
use super::printer::Printer;
use crate::base::debian::Mirrors;
use crate::base::uv;
use crate::engine::{self, EngineInfo};
use crate::store::Store;

#[derive(Serialize)]
struct Report {
    program: String,
    engine: Result<Engine, String>,
    store: Result<String, String>,
    registry_mirror: Option<String>,
    debian_mirror: String,
    python_packages: String,
    proxies: Vec<&'static str>,
    certificates: Option<String>,
}

#[derive(Serialize)]
struct Engine {
    name: &'static str,
    #[serde(flatten)]
    info: EngineInfo,
}

pub(super) async fn run(package: &str, printer: &Printer) -> Result<(), Fault> {
    let engine = async {
        let engine = engine::select().await?;
        let info = engine.info().await?;
        Ok::<_, engine::EngineError>(Engine {
            name: engine.name(),
            info,
        })
    };
    let report = Report {
        program: package.to_owned(),
        engine: engine.await.map_err(|error| crate::client::chain(&error)),
        store: Store::open()
            .map(|store| store.path().display().to_string())
            .map_err(|error| crate::client::chain(&error)),
        registry_mirror: std::env::var("IMAGE_REGISTRY_MIRROR").ok(),
        debian_mirror: Mirrors::from_env().main,
        python_packages: uv::mirror(),
        proxies: crate::build::proxies(),
        certificates: crate::build::certificates().map(|path| path.display().to_string()),
    };
    printer.report(&report, || text(&report));
    match report.engine.is_ok() && report.store.is_ok() {
        true => Ok(()),
        false => Err(Fault::Failed(
            "something that builds and calls need is missing: see above".into(),
        )),
    }
}

fn text(report: &Report) -> String {
    let mut lines = Vec::new();
    let mut line = |good: bool, name: &str, value: &str| {
        lines.push(format!(
            "{} {name:<12} {value}",
            if good { "✓" } else { "✗" }
        ));
    };
    match &report.engine {
        Ok(Engine { name, info }) => {
            line(
                true,
                "engine",
                &format!(
                    "{name}: {} {} at {}",
                    info.product, info.version, info.address
                ),
            );
            line(true, "platform", &info.platform);
            for (name, value) in &info.facts {
                line(true, name, value);
            }
        }
        Err(error) => line(false, "engine", error),
    }
    match &report.store {
        Ok(path) => line(true, "store", path),
        Err(error) => line(false, "store", error),
    }
    line(true, "bases", "1. layers that exist");
    let registry = match &report.registry_mirror {
        Some(mirror) => format!("2. registry, through {mirror} (IMAGE_REGISTRY_MIRROR)"),
        None => "2. registry (IMAGE_REGISTRY_MIRROR is not set)".into(),
    };
    line(true, "", &registry);
    line(
        true,
        "",
        &format!(
            "3. Debian archive at {} (IMAGE_DEBIAN_MIRROR)",
            report.debian_mirror
        ),
    );
    line(
        true,
        "uv",
        &format!("from {} (IMAGE_PYPI_MIRROR)", report.python_packages),
    );
    let proxies = if report.proxies.is_empty() {
        "none".to_owned()
    } else {
        report.proxies.join(", ")
    };
    line(true, "proxies", &proxies);
    line(
        true,
        "certificates",
        report
            .certificates
            .as_deref()
            .unwrap_or("no bundle of this system was found"),
    );
    lines.join("\n")
}
