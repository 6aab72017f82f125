//! What people are told of each kind of change.

use super::*;
use crate::digest::Digest;
use crate::plan::{BaseSource, Chain, ResolvedBase, lower};
use crate::spec::ImageConfig;
use crate::spec::base::scratch;
use crate::spec::verb::{apt_install, copy_local_dir, env, pip_install, run_commands, workdir};
use crate::spec::{Image, ImageSpec, Place, Step};

const fn image(steps: &'static [Step]) -> ImageSpec {
    let place = Place {
        file: "src/main.rs",
        line: 1,
        column: 1,
        module: "app",
        manifest_dir: "/app",
    };
    ImageSpec {
        base: scratch().base(),
        steps,
        place,
    }
}

static BEFORE: ImageSpec = image(&[
    apt_install(&["git", "curl"]).step(),
    pip_install(&["numpy==2.2.6", "six==1.17.0"]).step(),
    env(&[("A", "1"), ("B", "2")]).step(),
    copy_local_dir("models", "/models").step(),
    workdir("/app").step(),
    run_commands(&["make"]).step(),
]);

fn plan(spec: &'static ImageSpec, base: &str, files: &str) -> Plan {
    let base = ResolvedBase {
        source: BaseSource::Registry {
            reference: "debian:bookworm-slim".into(),
            digest: format!("sha256:{}", Digest::of(base.as_bytes())),
        },
        config: ImageConfig::default(),
        python: None,
    };
    let chain = Chain::of(Image::from_spec(spec));
    let none: Vec<_> = chain.steps.iter().map(|_| None).collect();
    lower(&chain, &base, &none, |_| Digest::of(files.as_bytes()))
}

/// What is told where the image was `before`, and all layers from `first` on are missing.
fn told(before: Option<&Plan>, now: &Plan, first: usize, run: Option<Forced>) -> String {
    let listing = |digest: &Digest| {
        let files = [
            ("old", "a=644/1 b=644/1 c=644/1 d=644/1 e=644/1 g=644/1"),
            ("new", "a=644/2 b=644/2 c=644/2 d=755/2 f=644/1 g=755/1"),
        ];
        let (_, text) = files
            .iter()
            .find(|(name, _)| Digest::of(name.as_bytes()) == *digest)?;
        let entries = text.split(' ').filter_map(|entry| entry.split_once('='));
        let entries = entries.map(|(path, what)| (path.to_owned(), what.replace('/', " ")));
        Some(Listing(entries.collect()))
    };
    let known = Known {
        before: before.map(|plan| plan.steps.as_slice()),
        first,
        run,
        listing: &listing,
    };
    let told: Vec<_> = explain(now, &known)
        .iter()
        .map(ToString::to_string)
        .collect();
    told.join("\n")
}

#[test]
fn nothing_new_is_told_of_what_is_there_was_never_there_is_asked_for_or_went() {
    let now = plan(&BEFORE, "base", "old");
    let all = [
        told(Some(&now), &now, 5, None),
        told(None, &now, 2, None),
        told(Some(&now), &now, 0, Some(Forced::NoCache)),
        told(Some(&now), &now, 3, None),
    ];
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn what_changed_is_named_with_its_keyword() {
    static PACKAGES: ImageSpec = image(&[
        apt_install(&["git", "curl", "jq", "wget"]).step(),
        pip_install(&["numpy==2.2.6", "six==1.17.0"]).step(),
        env(&[("A", "1"), ("B", "2")]).step(),
        copy_local_dir("models", "/models").step(),
        workdir("/app").step(),
        run_commands(&["make"]).step(),
    ]);
    static CONFIGURATION: ImageSpec = image(&[
        apt_install(&["curl", "git"]).step(),
        pip_install(&["numpy==2.2.7", "six==1.17.0"])
            .pre(true)
            .step(),
        env(&[("A", "1"), ("B", "3")]).step(),
        copy_local_dir("models", "/other").step(),
        workdir("/work").step(),
        run_commands(&["make"]).step(),
    ]);
    static STEPS: ImageSpec = image(&[
        run_commands(&["true"]).step(),
        apt_install(&["git", "curl"]).step(),
        env(&[("A", "1"), ("B", "2")]).step(),
        copy_local_dir("models", "/models").step(),
        workdir("/app").step(),
        run_commands(&["make"]).step(),
    ]);
    let before = plan(&BEFORE, "base", "old");
    let all = [
        told(Some(&before), &plan(&PACKAGES, "base", "old"), 1, None),
        told(Some(&before), &plan(&CONFIGURATION, "base", "old"), 1, None),
        told(Some(&before), &plan(&STEPS, "base", "old"), 1, None),
        told(Some(&before), &plan(&BEFORE, "base", "new"), 3, None),
        told(Some(&before), &plan(&BEFORE, "base", "unknown"), 3, None),
        told(Some(&before), &plan(&BEFORE, "another", "old"), 0, None),
    ];
    insta::assert_snapshot!(all.join("\n\n"));
}

#[test]
fn a_forced_step_is_named_and_those_after_it_are_below_nothing_else() {
    static FORCED: ImageSpec = image(&[
        apt_install(&["git"]).step(),
        run_commands(&["make"]).force_build(true).step(),
        run_commands(&["make install"]).step(),
    ]);
    let now = plan(&FORCED, "base", "old");
    insta::assert_snapshot!(told(Some(&now), &now, 2, None));
}

#[test]
fn programs_read_reasons_by_their_names() {
    static NOW: ImageSpec = image(&[apt_install(&["git", "jq"]).step()]);
    let (before, now) = (plan(&BEFORE, "base", "old"), plan(&NOW, "base", "old"));
    let known = Known {
        before: Some(&before.steps),
        first: 1,
        run: None,
        listing: &|_| None,
    };
    let explained = serde_json::to_value(explain(&now, &known)).unwrap();
    assert_eq!(explained[0]["reason"], "reused");
    insta::assert_snapshot!(serde_json::to_string_pretty(&explained[1]).unwrap());
}
