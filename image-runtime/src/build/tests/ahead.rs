//! What is downloaded ahead, while layers below are made.

use std::time::Duration;

use super::*;
use crate::build::ahead::Ahead;
use crate::build::{apt, dockerfile};
use crate::plan::{Action, CopySpec};
use crate::spec::dockerfile::Source;
use crate::spec::verb::apt_install;

static PACKAGES: ImageSpec = ImageSpec {
    steps: &[apt_install(&["jq"]).step()],
    ..image(scratch().base(), 8)
};
static COPIES: ImageSpec = ImageSpec {
    steps: &[
        run_commands(&["true"]).step(),
        run_commands(&["in place of a copy"]).step(),
        apt_install(&["git"]).step(),
    ],
    ..image(scratch().base(), 9)
};

/// How long a download ahead has to begin.
const SOON: Duration = Duration::from_millis(200);
/// What takes longer than this takes for ever.
const LONG: Duration = Duration::from_secs(20);

/// Begins to download for the last layer of [`COPIES`], beside the first step.
async fn begun<'a>(builder: &'a Builder, image: &'a Prepared) -> Ahead<'a> {
    let base = NewLayer {
        id: image.plan.layers[0].id,
        parent: None,
        title: "base".into(),
    };
    let files = Box::new(crate::engine::NoFiles);
    builder.engine.add_files(&base, files).await.unwrap();
    let ahead = Ahead::new(builder, image, &[1, 2, 3]);
    ahead.begin(1);
    let beside = ahead.beside(std::future::pending::<()>());
    let _ = tokio::time::timeout(SOON, beside).await;
    ahead
}

#[tokio::test]
async fn a_download_that_holds_a_cache_goes_on_while_an_image_is_made_that_needs_it() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    engine.on_start(|spec, container| {
        if spec.purpose.starts_with("downloads for") {
            let container = container.clone();
            std::thread::spawn(move || {
                std::thread::sleep(2 * SOON);
                container.end(crate::engine::Exit::default());
            });
            return Ok(());
        }
        Err(EngineError::Refused {
            doing: "starting".to_owned(),
            said: spec.purpose.clone(),
        })
    });
    let trial = trial(&engine, &store, BuildOptions::default());
    let builder = &trial.builder;
    let source = builder.prepare(Image::from_spec(&PACKAGES)).await.unwrap();
    let mut image = builder.prepare(Image::from_spec(&COPIES)).await.unwrap();
    let copy = CopySpec {
        add: false,
        from: Source::Stage(0),
        sources: vec!["/usr/bin/jq".to_owned()],
        addresses: Vec::new(),
        checksum: None,
        documents: Vec::new(),
        target: "/bin/".to_owned(),
        owner: String::new(),
        mode: None,
    };
    image.plan.layers[2].action = Action::Copy { step: 1, copy };
    let files = dockerfile::Files::of_image(source, &[]);
    image.copied.insert(1, files);
    let ahead = begun(builder, &image).await;
    let downloads = Call::Start("downloads for apt_install(git)".to_owned());
    assert!(engine.calls().contains(&downloads), "{:?}", engine.calls());
    let made = tokio::time::timeout(LONG, builder.make_each(&image, &[2], &ahead)).await;
    let (_, error) = made.expect("it does not wait for ever").unwrap_err();
    let error = crate::client::chain(&error);
    assert!(error.contains("build apt_install(jq)"), "{error}");
}

#[tokio::test]
async fn a_download_waits_for_a_cache_as_long_as_it_is_wanted() {
    let (_folder, store) = store();
    let engine = FakeEngine::default();
    let trial = trial(&engine, &store, BuildOptions::default());
    let image = trial.builder.prepare(Image::from_spec(&COPIES)).await;
    let image = image.unwrap();
    let _held = store.locks().try_lock(apt::LOCK).unwrap().unwrap();
    let ahead = begun(&trial.builder, &image).await;
    let ended = tokio::time::timeout(LONG, ahead.end()).await;
    ended.expect("it does not wait for the lock any more");
}
