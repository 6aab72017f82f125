//! What README's performance table is made from: `cargo run --release -p benches`, in one run, as ratios against peers.
//!
//! Names as arguments choose some of the measurements. Needs the `docker` command; `mmdebstrap` is measured where it is
//! installed.

mod base;
mod build;
mod call;
mod compile;
mod measure;

use anyhow::Result;
use image_runtime::app;
use measure::Row;

/// A measurement: its name on the command line, and what it gives.
type Measurement = (&'static str, fn() -> Result<Vec<Row>>);

const MEASUREMENTS: [Measurement; 5] = [
    ("build", build::second_build),
    ("first-call", call::first_call),
    ("warm-call", call::warm_call),
    ("base", base::from_the_archive),
    ("compile", compile::clean_and_edited),
];

#[app::main(cli = false)]
fn main() -> Result<()> {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    if let Some(role) = arguments.first().filter(|word| word.starts_with("as-")) {
        return match role.as_str() {
            "as-first-caller" => call::be_first_caller(),
            "as-echo" => call::be_echo(),
            "as-builder" => build::be_builder(),
            "as-base-builder" => base::be_builder(),
            other => anyhow::bail!("no role `{other}`"),
        };
    }
    if arguments.is_empty() {
        arguments = MEASUREMENTS.map(|(name, _)| name.to_owned()).to_vec();
    }
    println!("{}\n", measure::machine()?);
    println!("| what | ours | peer | ratio | goal |\n| --- | --- | --- | --- | --- |");
    for name in &arguments {
        let (_, measurement) = MEASUREMENTS
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| {
                anyhow::anyhow!(
                    "no measurement `{name}`; there are {:?}",
                    MEASUREMENTS.map(|(name, _)| name)
                )
            })?;
        for row in measurement()? {
            println!("{row}");
        }
    }
    Ok(())
}
