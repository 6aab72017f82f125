//! The text of a lock, and what of it fits.

use super::*;
use crate::engine::ImageConfig;
use crate::plan::{BaseSource, Chain, ResolvedBase, lower};
use crate::spec::base::scratch;
use crate::spec::verb::{apt_install, pip_install, run_commands};
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

static ML: ImageSpec = image(&[
    apt_install(&["git"]).step(),
    run_commands(&["make"]).step(),
    pip_install(&["six"]).step(),
]);

fn plan(spec: &'static ImageSpec) -> Plan {
    let base = ResolvedBase {
        source: BaseSource::Scratch,
        config: ImageConfig::default(),
        python: None,
    };
    let chain = Chain::of(Image::from_spec(spec));
    let none: Vec<_> = chain.steps.iter().map(|_| None).collect();
    lower(&chain, &base, &none, |_| Digest::of(b"files"))
}

fn contents(apt: &[(&str, &str)], python: &[(&str, &str)]) -> Contents {
    let python = python.iter();
    Contents {
        apt: apt
            .iter()
            .map(|(name, version)| ((*name).into(), (*version).into()))
            .collect(),
        python: python
            .map(|(name, version)| ((*name).into(), ((*version).into(), None)))
            .collect(),
    }
}

fn locked() -> Lockfile {
    let plan = plan(&ML);
    let base = contents(&[("libc6", "1"), ("vim", "1")], &[]);
    let git = contents(&[("libc6", "2"), ("git", "1:2.39")], &[]);
    let mut six = contents(&[("libc6", "2"), ("git", "1:2.39")], &[("six", "1.17.0")]).above(&git);
    six.python[0].hashes = vec!["sha256:aa".into(), "sha256:bb".into()];
    let step = |index: usize, holds| LockedStep {
        step: plan.steps[index].title.clone(),
        definition: definition(&plan.steps[index]),
        holds,
    };
    let is = serde_json::json!({
        "suite": "bookworm",
        "packages": [{ "name": "libc6", "version": "1", "size": 12 }],
    });
    let base_of = LockedBase {
        of: "debian \"2024.10\"".into(),
        is: is.as_object().unwrap().clone(),
    };
    let image = LockedImage {
        name: "ML".into(),
        base: Some(base_of.of.clone()),
        tools: [("uv".to_owned(), "0.13.9".to_owned())].into(),
        steps: vec![step(1, git.above(&base)), step(3, six)],
    };
    Lockfile::new(vec![base_of], vec![image])
}

#[test]
fn a_lock_is_read_as_it_was_written() {
    let lock = locked();
    insta::assert_snapshot!(lock.text());
    assert_eq!(Lockfile::parse(&lock.text()), Ok(lock));
}

#[test]
fn a_text_that_is_no_lock_says_why() {
    let told = [
        "version = 1\n[[image]]\nname = 3",
        "version = 2",
        "a = ",
        "",
    ]
    .map(|text| {
        let error = Lockfile::parse(text).unwrap_err();
        error.to_string()
    });
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_lock_fits_the_image_it_was_made_of_and_says_what_does_not() {
    static CHANGED: ImageSpec = image(&[
        apt_install(&["git", "jq"]).step(),
        run_commands(&["make", "make install"]).step(),
        pip_install(&["six"]).step(),
    ]);
    static SHORTER: ImageSpec = image(&[apt_install(&["git"]).step()]);
    let lock = locked();
    let fitting = lock.fit("ML", &plan(&ML), true).unwrap();
    let brings: Vec<_> = fitting
        .iter()
        .map(|holds| holds.as_ref().map(Holdings::is_empty))
        .collect();
    assert_eq!(brings, [None, Some(false), Some(true), Some(false)]);
    let misfits = [("ML", &CHANGED), ("ML", &SHORTER), ("PLOT", &ML)];
    let misfits =
        misfits.map(|(name, spec)| lock.fit(name, &plan(spec), true).unwrap_err().to_string());
    insta::assert_snapshot!(misfits.join("\n\n"));
    // Where it need not be exact, what fits is kept.
    let kept = lock.fit("ML", &plan(&CHANGED), false).unwrap();
    assert_eq!(kept.iter().filter(|holds| holds.is_some()).count(), 1);
}

#[test]
fn the_same_versions_are_not_enough_where_hashes_are_locked() {
    let package = |hashes: &[&str]| PythonPackage {
        name: "six".into(),
        version: "1.16.0".into(),
        url: None,
        hashes: hashes.iter().map(ToString::to_string).collect(),
    };
    let holds = |hashes: &[&str]| Holdings {
        python: vec![package(hashes)],
        ..Holdings::default()
    };
    let locked = holds(&["sha256:a", "sha256:b"]);
    assert!(locked.has_hashes_of(&locked));
    for other in [&["sha256:a"][..], &["sha256:c", "sha256:b"], &[]] {
        assert!(!holds(other).has_hashes_of(&locked), "{other:?}");
        assert!(holds(other).differences(&locked).is_empty());
    }
    // Of what is locked without hashes, there is nothing to compare.
    assert!(locked.has_hashes_of(&holds(&[])));
    assert!(!Holdings::default().has_hashes_of(&locked));
}

#[test]
fn differences_name_what_is_missing_and_what_is_too_much() {
    let lock = locked();
    let [git, six] = &lock.images[0].steps[..] else {
        panic!()
    };
    assert_eq!(git.holds.differences(&git.holds), [""; 0]);
    let differences = six.holds.differences(&git.holds);
    assert_eq!(
        differences,
        [
            "without git=1:2.39",
            "without libc6=2",
            "without vim removed",
            "with six==1.17.0"
        ]
    );
}
