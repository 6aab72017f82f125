//! The text of a lock, and what of it fits.

use super::*;
use crate::plan::{BaseSource, Chain, Plan, ResolvedBase, lower};
use crate::spec::ImageConfig;
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

const BASE: Option<&str> = Some("debian \"2024.10\"");

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
        conda: Default::default(),
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
        of: BASE.unwrap().into(),
        is: is.as_object().unwrap().clone(),
    };
    let image = LockedImage {
        program: Some("app".into()),
        name: "ML".into(),
        base: Some(base_of.of.clone()),
        tools: [("uv".to_owned(), "0.13.9".to_owned())].into(),
        steps: vec![step(1, git.above(&base)), step(3, six)],
    };
    let address = LockedAddress {
        of: "https://h/x.tar.gz".into(),
        sha256: Digest::of(b"x"),
    };
    Lockfile::new(vec![base_of], vec![address], vec![image])
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
fn an_edit_that_nothing_would_come_of_is_an_error_that_names_it() {
    let text = locked().text();
    for (old, new, told) in [
        (
            "hashes = [",
            "hashs = [",
            "`image.step.python.hashs` is nothing that a lock says",
        ),
        (
            "git=1:2.39",
            "git 1:2.39",
            "`git 1:2.39` is no `NAME=VERSION`",
        ),
        ("git=1:2.39", "-o=1", "`-o=1` is no `NAME=VERSION`"),
        (
            "\"six\"",
            "\"--index-url\"",
            "`--index-url` is no normalised name",
        ),
        ("\"six\"", "\"Six\"", "`Six` is no normalised name"),
        (
            "\"1.17.0\"",
            "\"1.17.0 --pre\"",
            "`1.17.0 --pre` is no version",
        ),
        (
            "sha256:aa",
            "sha256",
            "`sha256` is no hash of Python package `six`",
        ),
        ("\"vim\"", "\"vim;\"", "`vim;` is no name of a package"),
        (
            "[[image]]",
            "[[image]]\nname = \"ML\"\n[[image]]",
            "image `ML` is in it twice",
        ),
    ] {
        let edited = text.replacen(old, new, 1);
        assert_ne!(edited, text, "{old}");
        let error = Lockfile::parse(&edited).unwrap_err().to_string();
        assert!(error.contains(told), "{old} → {new}: {error}");
    }
    let edited = text.replace("uv = \"0.13.9\"", "uv = \"0.1\"");
    let lock = Lockfile::parse(&edited).unwrap();
    let error = lock.fit(("app", "ML"), BASE, &plan(&ML), true).unwrap_err();
    let told = "tool `uv` is 0.13.9, and 0.1 is locked";
    assert!(error.to_string().contains(told), "{error}");
}

#[test]
fn where_a_package_comes_from_is_part_of_what_is_locked() {
    let holds = |url: Option<&str>| Holdings {
        python: vec![PythonPackage {
            name: "six".into(),
            version: "1.17.0".into(),
            url: url.map(str::to_owned),
            hashes: Vec::new(),
        }],
        ..Holdings::default()
    };
    let [one, other] = ["c0", "c1"].map(|commit| format!("git+https://host/six@{commit}"));
    let (one, other) = (holds(Some(&one)), holds(Some(&other)));
    assert_eq!(
        other.differences(&one),
        [
            "without six==1.17.0 from git+https://host/six@c0",
            "with six==1.17.0 from git+https://host/six@c1"
        ]
    );
    assert_eq!(holds(None).differences(&one).len(), 2);
    assert!(one.python[0].is_of_repository());
    assert!(!holds(Some("https://host/six.whl")).python[0].is_of_repository());
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
    let fitting = lock.fit(("app", "ML"), BASE, &plan(&ML), true).unwrap();
    let brings: Vec<_> = fitting
        .iter()
        .map(|holds| holds.as_ref().map(Holdings::is_empty))
        .collect();
    assert_eq!(brings, [None, Some(false), Some(true), Some(false)]);
    let misfits = [("ML", &CHANGED), ("ML", &SHORTER), ("PLOT", &ML)];
    let misfits = misfits.map(|(name, spec)| {
        lock.fit(("app", name), BASE, &plan(spec), true)
            .unwrap_err()
            .to_string()
    });
    insta::assert_snapshot!(misfits.join("\n\n"));
    let other = lock.fit(("app", "ML"), Some("registry debian:12"), &plan(&ML), true);
    let other = other.unwrap_err().to_string();
    let told = "it stands on base `registry debian:12`, and is locked on base `debian \"2024.10\"`";
    assert!(other.contains(told), "{other}");
    // Where it need not be exact, what fits is kept.
    let kept = lock
        .fit(("app", "ML"), BASE, &plan(&CHANGED), false)
        .unwrap();
    assert_eq!(kept.iter().filter(|holds| holds.is_some()).count(), 1);
    // On another base, steps bring other things.
    let kept = lock.fit(("app", "ML"), None, &plan(&ML), false).unwrap();
    assert!(kept.iter().all(Option::is_none));
}

#[test]
fn a_step_that_does_not_fit_is_named_once() {
    let told = |locked: Vec<(usize, &str)>| {
        let mut lock = self::locked();
        for (index, title) in locked {
            let step = &mut lock.images[0].steps[index];
            step.step = title.to_owned();
            step.definition = "0".to_owned();
        }
        let error = lock.fit(("app", "ML"), BASE, &plan(&ML), true).unwrap_err();
        let LockError::Misfit { faults, .. } = error else {
            panic!("{error}")
        };
        faults
    };
    // An option is no part of the title.
    assert_eq!(
        told(vec![(1, "pip_install(six)")]),
        ["step `pip_install(six)` says something else than when it was locked"]
    );
    assert_eq!(
        told(vec![(0, "apt_install(vim)"), (1, "uv_sync(.)")]),
        [
            "step `apt_install(git)` is locked as `apt_install(vim)`",
            "step `pip_install(six)` is new, and not locked",
            "step `uv_sync(.)`, which it locks, is not there any more",
        ]
    );
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
fn what_other_programs_lock_stays_and_is_not_taken_for_ones_own() {
    let of = |program: &str, base: &str| {
        let mut lock = locked();
        lock.images[0].program = Some(program.to_owned());
        lock.bases[0].of = base.to_owned();
        lock
    };
    let both = of("app", "b").with_others(of("other", "a"), "app");
    let images: Vec<_> = both
        .images
        .iter()
        .map(|image| image.program.as_deref())
        .collect();
    let bases: Vec<_> = both.bases.iter().map(|base| &*base.of).collect();
    assert_eq!(
        (images, bases),
        (vec![Some("app"), Some("other")], vec!["a", "b"])
    );
    assert_eq!(Lockfile::parse(&both.text()), Ok(both.clone()));
    // Its own are what they are now.
    let own = Lockfile::new(Vec::new(), Vec::new(), Vec::new()).with_others(both, "app");
    assert_eq!(own.images.len(), 1);
    let stranger = own.fit(("app", "ML"), BASE, &plan(&ML), true);
    assert!(
        stranger
            .unwrap_err()
            .to_string()
            .contains("it is not in it")
    );
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

#[test]
fn conda_packages_are_called_by_other_names_and_have_a_place_and_a_hash() {
    let text = |package: &str, removed: &str| {
        let holds = Holdings {
            conda: vec![package.to_owned()],
            removed: vec![removed.to_owned()],
            ..Holdings::default()
        };
        let mut lock = locked();
        lock.images[0].steps[0].holds = holds;
        lock.text()
    };
    let good = "https://host/conda-forge/noarch/words-1.0-0.conda#sha256=c0";
    for (package, removed) in [
        (good, "_openmp_mutex"),
        (good, "typing_extensions"),
        ("./channel/linux-64/a_b-1.0-h_0.tar.bz2#md5=c0", "vim"),
    ] {
        let read = Lockfile::parse(&text(package, removed));
        read.unwrap_or_else(|error| panic!("{package}, {removed}: {error}"));
    }
    for (package, removed, told) in [
        (good, "__x", "`__x` is no name of a package"),
        (good, "-o", "`-o` is no name of a package"),
        ("words-1.0-0.conda#sha256=c0", "vim", "is no `PLACE/NAME-"),
        (
            "https://host/words-1.0-0.conda",
            "vim",
            "is no `PLACE/NAME-",
        ),
        (
            "https://host/words-1.0-0.conda#c0",
            "vim",
            "is no `PLACE/NAME-",
        ),
        (
            "https://host/words-1.0-0.conda#sha1=c0",
            "vim",
            "#sha256=HASH`",
        ),
        (
            "https://host/words-1.0-0.conda#md5=x",
            "vim",
            "of a conda package",
        ),
        (
            "https://host/words.conda#md5=c0",
            "vim",
            "of a conda package",
        ),
    ] {
        let error = Lockfile::parse(&text(package, removed)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(told), "{package}, {removed}: {error}");
        assert!(error.contains("of image `ML`"), "{error}");
    }
}
