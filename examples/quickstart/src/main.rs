//! Two functions, each in the image it needs: one with pandas, one with graphviz. This machine needs neither.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use image_runtime::{Image, app, image};
use serde::{Deserialize, Serialize};

const STATS: Image = image!(debian_slim(python_version = "3.11").pip_install("pandas==2.2.3"));
const DRAWING: Image = image!(debian_slim().apt_install("graphviz"));

/// What the penguins of one species weigh on one island.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    island: String,
    species: String,
    count: u32,
    grams: f64,
}

/// Summarises a table of penguins with pandas.
#[app::function(image = STATS, timeout = "1m")]
fn summarise(csv: &str) -> anyhow::Result<Vec<Group>> {
    let json = pipe("python3", &["-c", include_str!("summary.py")], csv)?;
    Ok(serde_json::from_str(&json)?)
}

/// Draws who lives where, as SVG, with graphviz.
#[app::function(image = DRAWING)]
fn draw(groups: &[Group]) -> anyhow::Result<String> {
    let edges: String = groups
        .iter()
        .map(|group| {
            let Group {
                island,
                species,
                count,
                grams,
            } = group;
            format!("{island:?} -> {species:?} [label=\"{count} of {grams:.0} g\"]\n")
        })
        .collect();
    pipe(
        "dot",
        &["-Tsvg"],
        &format!("digraph {{ rankdir=LR; node [shape=box]\n{edges}}}"),
    )
}

#[app::main]
async fn main() -> anyhow::Result<()> {
    let groups = summarise::remote(include_str!("../data/penguins.csv")).await?;
    for Group {
        island,
        species,
        count,
        grams,
    } in &groups
    {
        println!("{island:10} {species:10} {count:4} penguins of {grams:.0} g");
    }
    std::fs::write("penguins.svg", draw::remote(&groups).await?)?;
    println!("who lives where: penguins.svg");
    Ok(())
}

/// Runs a program of the image with some input, and gives back its output.
fn pipe(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("no `{program}` in this image"))?;
    child
        .stdin
        .take()
        .context("stdin is piped")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "`{program}` ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[app::test]
    async fn the_heaviest_penguins_are_gentoos() {
        let groups = summarise::remote(include_str!("../data/penguins.csv"))
            .await
            .unwrap();
        let heaviest = groups
            .iter()
            .max_by(|a, b| a.grams.total_cmp(&b.grams))
            .unwrap();
        assert_eq!(heaviest.species, "Gentoo");
    }

    #[app::test]
    async fn a_drawing_is_svg() {
        let group = Group {
            island: "Torgersen".into(),
            species: "Adelie".into(),
            count: 52,
            grams: 3706.0,
        };
        assert!(draw::remote(&[group]).await.unwrap().contains("<svg"));
    }
}
