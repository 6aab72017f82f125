//! Bases: what is told of one that cannot be had, and when a known one is used as it was.

use super::*;

static OLD: ImageSpec = image(
    debian_slim(BULLSEYE)
        .python_version(python("3.11", "3.11.0"))
        .base(),
    5,
);
static NEWER: ImageSpec = image(
    debian_slim(BOOKWORM)
        .python_version(python("3.12", "3.12.6"))
        .base(),
    6,
);

/// What is told of an image where no registry can be reached.
async fn fault(image: &'static ImageSpec) -> String {
    let (_folder, store) = store();
    let trial = trial(&FakeEngine::default(), &store, BuildOptions::default());
    let error = trial.builder.plan(Image::from_spec(image)).await;
    crate::client::chain(&error.unwrap_err())
}

#[tokio::test]
async fn a_registry_that_is_not_reached_is_told_with_what_to_do() {
    let text = fault(&ALPINE).await;
    let (happened, help) = text.split_once("\n  help: ").unwrap();
    assert!(happened.contains("`alpine:3.20`"), "{text}");
    assert!(
        help.contains("IMAGE_REGISTRY_MIRROR") && help.contains("proxy"),
        "{text}"
    );
}

#[tokio::test]
async fn only_a_python_that_the_builder_version_takes_is_advised() {
    let text = fault(&NEWER).await;
    assert!(
        text.contains("help: write `python_version = \"3.11\"`"),
        "{text}"
    );
    let text = fault(&OLD).await;
    assert!(!text.contains("python_version = "), "{text}");
    assert!(text.contains("help: leave `builder_version` out"), "{text}");
    assert!(text.contains("IMAGE_REGISTRY_MIRROR"), "{text}");
}

#[tokio::test]
async fn what_lies_on_this_machine_is_said_in_a_dockerfile() {
    let (folder, store) = store();
    let engine = FakeEngine::default();
    engine.publish("debian:bookworm-slim", ImageConfig::default());
    let mut trial = trial(&engine, &store, BuildOptions::default());
    let mirror = folder.path().join("pythons");
    std::fs::create_dir(&mirror).unwrap();
    let arch = std::env::consts::ARCH;
    let archive = format!("cpython-3.12.6+20240909-{arch}-unknown-linux-gnu-install_only.tar.gz");
    std::fs::write(mirror.join(&archive), "packed").unwrap();
    trial.builder.python_mirror = Mirror::at(mirror.to_str().unwrap());
    let text = trial.builder.render(Image::from_spec(&NEWER)).await;
    let text = text.unwrap();
    let path = mirror.join(archive);
    assert!(
        text.contains(&format!(
            "# The next line names a file of this machine: put it into the build context, and write its path from there.\nADD {} ",
            path.display()
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_base_that_is_used_as_it_was_is_told_in_one_line() {
    let (_folder, store) = store();
    let image = Image::from_spec(&ALPINE);
    let engine = FakeEngine::default();
    engine.publish("alpine:3.20", ImageConfig::default());
    let before = trial(&engine, &store, BuildOptions::default());
    before.builder.plan(image).await.unwrap();
    let options = BuildOptions {
        no_cache: true,
        ..BuildOptions::default()
    };
    let after = trial(&FakeEngine::default(), &store, options);
    after.builder.plan(image).await.unwrap();
    let notices = after.notices.lock().unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].contains("cannot be reached"), "{notices:?}");
    assert!(!notices[0].contains(['\n']), "{notices:?}");
    assert!(!notices[0].contains("help"), "{notices:?}");
}

static PRIVATE: ImageSpec = image(
    from_registry("registry.example/alpine:3.20")
        .secret(Secret::from_env("IMAGE_RUNTIME_NO_SUCH_VARIABLE"))
        .base(),
    10,
);

#[tokio::test]
async fn a_base_whose_login_is_not_there_is_used_as_it_was() {
    let (_folder, store) = store();
    let image = Image::from_spec(&PRIVATE);
    let error = fault(&PRIVATE).await;
    assert!(error.contains("step `from_registry("), "{error}");
    let base = ResolvedBase {
        source: BaseSource::Registry {
            reference: "registry.example/alpine:3.20".to_owned(),
            digest: "sha256:c0".to_owned(),
        },
        config: ImageConfig::default(),
        python: None,
    };
    let record = base::record(&base::key(&Chain::of(image)).unwrap());
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let known = serde_json::json!({ "base": base, "resolved": long_ago });
    store.bases().write_record(&record, &known).unwrap();
    for pull in [false, true] {
        let options = BuildOptions {
            pull,
            ..BuildOptions::default()
        };
        let trial = trial(&FakeEngine::default(), &store, options);
        let planned = trial.builder.plan(image).await;
        assert_eq!(planned.is_err(), pull);
        let notices = trial.notices.lock().unwrap();
        assert_eq!(notices.len(), usize::from(!pull), "{notices:?}");
        let why = |text: &String| text.contains("IMAGE_RUNTIME_NO_SUCH_VARIABLE");
        assert!(notices.iter().all(why), "{notices:?}");
    }
}

#[tokio::test]
async fn a_locked_base_that_is_known_needs_no_login() {
    let (folder, store) = store();
    let image = Image::from_spec(&PRIVATE);
    let digest = format!("sha256:{}", crate::digest::Digest::of(b"manifest"));
    let reference = "registry.example/alpine:3.20";
    let is = serde_json::json!({ "registry": reference, "digest": digest });
    let base = LockedBase {
        of: base::key(&Chain::of(image)).unwrap(),
        is: is.as_object().unwrap().clone(),
    };
    let lock = Lockfile::new(vec![base], Vec::new(), Vec::new()).text();
    std::fs::write(folder.path().join("image.lock"), lock).unwrap();
    let options = BuildOptions {
        lock: LockUse::Kept,
        folder: folder.path().to_str().unwrap().to_owned().leak(),
        ..BuildOptions::default()
    };
    let planned = || async {
        let trial = trial(&FakeEngine::default(), &store, options);
        trial.builder.plan(image).await
    };
    let error = crate::client::chain(&planned().await.unwrap_err());
    assert!(error.contains("IMAGE_RUNTIME_NO_SUCH_VARIABLE"), "{error}");
    let source = BaseSource::Registry {
        reference: reference.to_owned(),
        digest,
    };
    let file = base::record(&format!("config {}", base_layer(&source).id));
    let config = ImageConfig::default();
    store.bases().write_record(&file, &config).unwrap();
    planned().await.unwrap();
}
