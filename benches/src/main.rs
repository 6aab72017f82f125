//! What README's performance table is made from: `cargo run --release -p benches`, in one run on one machine, as ratios.
//!
//! Names as arguments choose some of the measurements. Needs the `docker` command; `base` needs root and `mmdebstrap`.
//! What is measured is a program as users write it (`bin/measured.rs`), in a debug build and in a release build.

mod base;
mod build;
mod call;
mod chain;
mod compile;
mod edited;
mod fresh;
mod measure;
mod subject;

use anyhow::{Context, Result};
use measure::Row;

/// A measurement: its name on the command line, and what it gives.
type Measurement = (&'static str, fn() -> Result<Vec<Row>>);

const MEASUREMENTS: [Measurement; 13] = [
    ("build", build::second_build),
    ("ten-images", build::ten_images),
    ("first-call", call::first_call),
    ("fresh", fresh::containers),
    ("warm-call", call::warm_call),
    ("chain", chain::of_packages),
    ("beyond", chain::beyond_packages),
    ("edited", edited::one_of_many),
    ("map", call::map),
    ("idle", call::idle),
    ("large", call::large),
    ("base", base::from_the_archive),
    ("compile", compile::clean_and_edited),
];

fn main() -> Result<()> {
    let mut names: Vec<_> = std::env::args().skip(1).collect();
    if names.first().is_some_and(|name| name == "as-echo") {
        return call::be_echo();
    }
    if names.is_empty() {
        names = MEASUREMENTS.map(|(name, _)| name.to_owned()).to_vec();
    }
    println!("{}\n\n{}", measure::machine()?, measure::HEAD);
    for name in &names {
        let (_, measurement) = MEASUREMENTS
            .iter()
            .find(|(known, _)| known == name)
            .with_context(|| {
                let known = MEASUREMENTS.map(|(name, _)| name).join(", ");
                format!("no measurement is called `{name}`; there are {known}")
            })?;
        for row in measurement()? {
            println!("{row}");
        }
    }
    Ok(())
}
