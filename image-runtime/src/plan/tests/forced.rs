//! `force_build`: a layer that is made in every build, and those after it.

use std::collections::BTreeSet;

use super::*;
use crate::spec::dockerfile::{Dockerfile, Instruction, Kind, Source, Stage};
use crate::spec::verb::{
    add_local_dir, add_local_file, copy_local_file, dockerfile_commands,
    pip_install_from_pyproject, pip_install_from_requirements, run_function, shell, uv_sync,
};
use crate::spec::{BuildFunction, Project, Requirements};

/// Every verb that the reference says can be forced, and a layer after it.
#[test]
fn each_verb_can_force_its_layer_and_those_after_it() {
    const NO_FILE: Requirements = Requirements {
        text: "",
        constraints: "",
        options: &[],
    };
    const RUN: Dockerfile = Dockerfile {
        file: None,
        stages: &[Stage {
            base: Source::Nothing,
            instructions: &[Instruction {
                line: 1,
                text: "LABEL a=b",
                kind: Kind::Label(&[]),
            }],
        }],
        target: 0,
    };
    const FUNCTION: BuildFunction = BuildFunction {
        spec: || unreachable!("its image is not planned"),
        parameters: 0,
        makes_stream: false,
        source: "",
    };
    let function = run_function(FUNCTION).force_build(true).step();
    assert!(function.force_build());
    let project = Project {
        pyproject: "",
        lock: "",
    };
    let steps = [
        apt_install(&["jq"]).force_build(true).step(),
        pip_install(&["six"]).force_build(true).step(),
        pip_install_from_requirements("r", NO_FILE)
            .force_build(true)
            .step(),
        pip_install_from_pyproject("p", NO_FILE)
            .force_build(true)
            .step(),
        uv_sync("p", project).force_build(true).step(),
        micromamba_install(&["six"]).force_build(true).step(),
        run_commands(&["true"]).force_build(true).step(),
        copy_local_file("a", "/a").force_build(true).step(),
        copy_local_dir("a", "/a").force_build(true).step(),
        add_local_file("a", "/a").force_build(true).step(),
        add_local_dir("a", "/a").force_build(true).step(),
        env(&[("A", "1")]).force_build(true).step(),
        workdir("/a").force_build(true).step(),
        entrypoint(&["a"]).force_build(true).step(),
        cmd(&["a"]).force_build(true).step(),
        shell(&["a"]).force_build(true).step(),
        dockerfile_commands(RUN).force_build(true).step(),
    ];
    let reference = include_str!("../../../../docs/VERBS.md");
    let rows = reference.lines().filter_map(|line| {
        let mut cells = line.split(" | ");
        let verb = cells.next()?.strip_prefix("| `")?.strip_suffix('`')?;
        (cells.next()? == "`force_build`").then_some(verb)
    });
    let tested = steps.iter().chain([&function]).map(Step::verb);
    assert_eq!(
        rows.collect::<BTreeSet<_>>(),
        tested.collect::<BTreeSet<_>>()
    );
    for step in steps {
        let after = run_commands(&["after"]).step();
        let image = image(
            micromamba(BUILDER).base(),
            Box::leak(Box::new([step, after])),
            7,
        );
        let plan = plan(Box::leak(Box::new(image)), &registry_base());
        let forced: Vec<_> = plan.layers.iter().map(|layer| layer.force).collect();
        // Base and prefix; then the step, where it makes a layer, and what follows.
        assert_eq!(forced[..2], [false, false], "{}", step.verb());
        assert!(forced.len() > 2, "{}", step.verb());
        assert!(forced[2..].iter().all(|forced| *forced), "{}", step.verb());
    }
}

#[test]
fn a_forced_step_forces_all_after_it() {
    static FORCED: ImageSpec = image(
        scratch().base(),
        &[
            run_commands(&["a"]).step(),
            run_commands(&["b"]).force_build(true).step(),
            run_commands(&["c"]).step(),
        ],
        1,
    );
    let forced: Vec<_> = plan(&FORCED, &registry_base())
        .layers
        .iter()
        .map(|layer| layer.force)
        .collect();
    assert_eq!(forced, [false, false, true, true]);
}
