//! What identifies a command that is lent files of another stage.

use super::*;
use crate::spec::base::from_dockerfile;
use crate::spec::dockerfile::{
    CommandLine, Dockerfile, Instruction, Kind, Mount, MountKind, Piece, Run, Source, Stage,
};

/// The identity of `RUN --mount=from=0,source=…,target=/x true`, where the stage runs a line.
async fn identity(line: &'static str, source: &'static str) -> LayerId {
    let run = |line, mounts: Vec<Mount>| Instruction {
        line: 1,
        text: "RUN",
        kind: Kind::Run(Run::Command(CommandLine::Shell(line)), mounts.leak()),
    };
    let mount = Mount {
        kind: MountKind::Bind(Source::Stage(0)),
        target: &[Piece::Text("/x")],
        name: vec![Piece::Text(source)].leak(),
        env: "",
        is_set: false,
    };
    let stage = |instruction: Instruction| Stage {
        base: Source::Nothing,
        instructions: vec![instruction].leak(),
    };
    let dockerfile = Dockerfile {
        file: Some("Dockerfile"),
        stages: vec![
            stage(run(line, Vec::new())),
            stage(run("true", vec![mount])),
        ]
        .leak(),
        target: 1,
    };
    let spec = Box::leak(Box::new(image(
        from_dockerfile("Dockerfile", dockerfile).base(),
        1,
    )));
    let (_folder, store) = store();
    let trial = trial(&FakeEngine::default(), &store, BuildOptions::default());
    trial
        .builder
        .plan(Image::from_spec(spec))
        .await
        .unwrap()
        .top()
}

#[tokio::test]
async fn the_stage_and_the_path_are_part_of_it() {
    let one = identity("echo 1 > /file", "/file").await;
    assert_eq!(one, identity("echo 1 > /file", "/file").await);
    assert_ne!(one, identity("echo 2 > /file", "/file").await);
    assert_ne!(one, identity("echo 1 > /file", "/other").await);
}
