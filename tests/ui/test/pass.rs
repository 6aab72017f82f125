//! `#[app::test]` on tests of all kinds; that they run is what is tested.

use image_runtime::__private::{RegisteredTest, inventory};
use image_runtime::app;
use image_runtime::app::test;

#[app::test]
fn a_plain_test_runs() {
    std::thread::yield_now();
}

/// With docs.
#[app::test]
async fn an_async_test_runs() -> Result<(), String> {
    std::future::ready(Ok(())).await
}

#[app::test]
#[should_panic(expected = "as it should")]
async fn a_panic_that_should_be_is_one() {
    std::future::ready(()).await;
    panic!("as it should");
}

#[app::test]
#[ignore = "what is ignored does not run"]
fn an_ignored_test_does_not_run() {
    panic!("it ran");
}

#[app::test]
#[cfg(false)]
fn a_test_that_is_not_there() {
    does_not_compile();
}

/// The attribute may be imported over the compiler's own.
#[test]
fn every_test_is_registered_under_its_path() {
    let mut paths: Vec<_> = inventory::iter::<RegisteredTest>
        .into_iter()
        .map(|test| test.0.path)
        .filter(|path| path.starts_with("ui::test::"))
        .collect();
    paths.sort_unstable();
    let expected = [
        "a_panic_that_should_be_is_one",
        "a_plain_test_runs",
        "an_async_test_runs",
        "an_ignored_test_does_not_run",
        "every_test_is_registered_under_its_path",
    ];
    assert_eq!(paths, expected.map(|name| format!("ui::test::{name}")));
}
