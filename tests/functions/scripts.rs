//! Functions whose body is Python: they run in the interpreter of their image, which stays warm.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::Stream;
use futures_util::future::join_all;
use image_runtime::{CallErrorKind, Image, app, image};
use serde::{Deserialize, Serialize};

use crate::{DEBIAN, NOTHING};

const PYTHON: Image = image!(debian_slim(python_version = "3.11"));

/// One with containers that no other function uses: what was used last is used next.
const TURNING: Image = image!(PYTHON.env({ "TURNING": "1" }));

/// A value of either kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle { radius: f64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

/// Bytes as such, and not as a list of numbers.
#[derive(Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Reversed {
    data: Bytes,
    length: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Losses {
    loss: f64,
    best: f64,
    steps: Vec<f64>,
}

#[app::python(image = PYTHON, file = "functions/scripts/marked.py")]
fn marked(number: u32) -> u32;

/// Trains.
#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn train(epochs: u32) -> anyhow::Result<f64>;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "warm_in_python", max_containers = 1)]
async fn warm() -> (u32, u32);

mod same {
    use super::{PYTHON, Shape, app};
    use std::collections::BTreeMap;

    #[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "same_in_python")]
    #[allow(clippy::type_complexity, reason = "it is a type of all kinds")]
    pub(super) fn same(
        value: &(i64, f64, Option<String>, Vec<Shape>, BTreeMap<u32, ()>),
    ) -> (i64, f64, Option<String>, Vec<Shape>, BTreeMap<u32, ()>);
}

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn reverse(data: Bytes) -> Reversed;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn point(x: f64, y: f64) -> Point;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn not_a_number() -> Losses;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "fail_in_python")]
fn fail(why: &str) -> Result<u8, String>;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn cannot_cross() -> u8;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn leave(code: i32) -> u8;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn crash() -> u8;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "later_in_python")]
fn later(seconds: f64) -> f64;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "count_in_python")]
fn count(to: u32) -> impl Iterator<Item = u32>;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn count_later(to: u32) -> impl Stream<Item = u32>;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn fail_after(number: u32) -> impl Iterator<Item = u32>;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", concurrency = 4, max_containers = 1, name = "meet_in_python")]
fn meet() -> String;

#[app::python(image = PYTHON, file = "functions/scripts/train.py", timeout = "500ms", name = "sleep_in_python")]
fn sleep() -> ();

#[app::python(image = PYTHON, file = "functions/scripts/broken.py")]
fn broken() -> ();

mod without {
    use super::{DEBIAN, NOTHING, app};

    #[app::python(image = NOTHING, file = "functions/scripts/train.py", name = "train_in_nothing")]
    pub(super) fn train(epochs: u32) -> f64;

    #[app::python(image = DEBIAN, file = "functions/scripts/train.py", name = "train_in_debian")]
    pub(super) fn warm() -> (u32, u32);
}

#[app::test]
async fn a_python_function_has_the_verbs_of_any_other() {
    assert_eq!(train::remote(2).await.expect("it works"), 0.25);
    assert_eq!(train::remote(1).blocking().expect("it works"), 0.5);
    let all = train::map(0..4).try_collect().await.expect("it works");
    assert_eq!(all, [1.0, 0.5, 0.25, 0.125]);
    assert_eq!(train::spawn(3).get().await.expect("it works"), 0.125);
    assert_eq!(later::remote(0.01).await.expect("it works"), 0.01);
}

#[app::test]
async fn a_file_is_read_with_the_marks_of_any_editor() {
    assert_eq!(marked::remote(3).await.unwrap(), 6);
}

#[app::test]
async fn the_interpreter_stays_warm() {
    let (process, calls) = warm::remote().await.expect("it works");
    let (same, more) = warm::remote().await.expect("it works");
    assert_eq!(process, same);
    assert!(more > calls);
}

#[app::test]
async fn values_cross_to_python_and_back() {
    let map = BTreeMap::from([(1, ()), (7, ())]);
    let shapes = vec![Shape::Empty, Shape::Circle { radius: 0.1 }];
    let value = (
        i64::MIN,
        -0.0,
        Some("ü\"\n\0\u{1f600}".to_owned()),
        shapes,
        map,
    );
    assert_eq!(same::same::remote(&value).await.expect("it works"), value);
    assert_eq!(
        point::remote(1.0, 2.0).await.expect("it works"),
        Point { x: 1.0, y: 2.0 }
    );
    let losses = not_a_number::remote().await.expect("it works");
    assert!(losses.loss.is_nan());
    assert_eq!((losses.best, losses.steps), (f64::NEG_INFINITY, vec![1.5]));
}

#[app::test]
async fn many_bytes_cross_as_bytes() {
    let data: Vec<u8> = (0..10_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let reversed = reverse::remote(Bytes(data.clone()))
        .await
        .expect("it works");
    assert_eq!(reversed.length, data.len());
    assert!(data.into_iter().rev().eq(reversed.data.0));
    assert_eq!(
        reverse::remote(Bytes(Vec::new()))
            .await
            .expect("it works")
            .length,
        0
    );
}

#[app::test]
async fn an_exception_comes_back_with_its_traceback() {
    let error = fail::remote("no data").await.expect_err("it fails");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    let text = error.to_string();
    let expected = [
        "RuntimeError: training failed\n",
        "File \"functions/scripts/train.py\", line ",
        "raise ValueError(why)",
        "ValueError: no data",
        "in fail",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.starts_with("RuntimeError"), "{text}");
    assert!(!text.contains("<string>"), "{text}");
    let error = broken::remote().await.expect_err("it cannot be read");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    let text = error.to_string();
    assert!(text.contains("SyntaxError"), "{text}");
    assert!(text.contains("broken.py\", line 1"), "{text}");
    // The interpreter goes on.
    assert_eq!(train::remote(0).await.expect("it works"), 1.0);
}

#[app::test]
async fn what_cannot_cross_is_said() {
    let error = cannot_cross::remote().await.expect_err("a lock stays");
    assert_eq!(error.kind(), CallErrorKind::Encoding);
    assert!(
        error.to_string().contains("`lock` cannot be sent"),
        "{error}"
    );
    let error = point_as_number::remote(1.0, 2.0)
        .await
        .expect_err("it is an object");
    assert_eq!(error.kind(), CallErrorKind::Encoding);
    assert!(
        error.to_string().contains("the result is no `f64`"),
        "{error}"
    );
}

mod as_number {
    use super::{PYTHON, app};

    #[app::python(image = PYTHON, file = "functions/scripts/train.py", name = "point_as_number")]
    pub(super) fn point(x: f64, y: f64) -> f64;
}
use as_number::point as point_as_number;

#[app::test]
async fn an_interpreter_that_ends_is_told_as_a_container_that_ends() {
    let error = leave::remote(3).await.expect_err("it leaves");
    assert_eq!(error.kind(), CallErrorKind::Died);
    assert!(error.to_string().contains("exit code 3"), "{error}");
    assert!(error.to_string().contains("leaving"), "{error}");
    let error = crash::remote().await.expect_err("it crashes");
    assert_eq!(error.kind(), CallErrorKind::Died, "{error}");
    assert!(error.to_string().contains("SIGSEGV"), "{error}");
    let error = sleep::remote().await.expect_err("it takes too long");
    assert_eq!(error.kind(), CallErrorKind::TimedOut);
    assert_eq!(train::remote(0).await.expect("it works"), 1.0);
}

#[app::test]
async fn what_a_generator_yields_arrives_item_by_item() {
    let items = count::stream(100).try_collect().await.expect("it works");
    assert_eq!(items, (0..100).collect::<Vec<_>>());
    let items = count_later::stream(3)
        .try_collect()
        .await
        .expect("it works");
    assert_eq!(items, [0, 1, 2]);
    let mut items = count::stream(u32::MAX);
    assert_eq!(items.next().await.map(Result::ok), Some(Some(0)));
    drop(items);
    let items: Vec<_> = fail_after::stream(2).collect().await;
    assert_eq!(items.len(), 3);
    let error = items[2].as_ref().expect_err("it raises");
    assert_eq!(error.kind(), CallErrorKind::Returned);
    assert!(error.to_string().contains("no more"), "{error}");
}

#[app::test]
async fn calls_that_run_at_once_have_threads_of_their_own() {
    let threads = join_all((0..4).map(|_| meet::spawn().get())).await;
    let threads: Result<HashSet<_>, _> = threads.into_iter().collect();
    let threads = threads.expect("they meet");
    assert_eq!(threads.len(), 4);
    assert!(threads.contains("MainThread"), "{threads:?}");
}

#[app::test]
async fn an_image_without_python_is_named() {
    let nothing = without::train::remote(1)
        .await
        .expect_err("there is no Python");
    let debian = without::warm::remote()
        .timeout(Duration::from_secs(20))
        .await;
    for error in [nothing, debian.expect_err("there is no Python")] {
        assert_eq!(error.kind(), CallErrorKind::Engine);
        let text = error.to_string();
        assert!(text.contains("its image has no `python3`"), "{text}");
        assert!(text.contains("help: "), "{text}");
    }
}

#[app::python(image = TURNING, file = "functions/scripts/train.py")]
fn turn() -> impl Stream<Item = i64>;

#[app::python(image = TURNING, file = "functions/scripts/train.py")]
fn turn_is_closed() -> bool;

#[app::python(image = PYTHON, file = "functions/scripts/train.py")]
fn leave_a_child() -> ();

#[app::test]
async fn a_generator_is_closed_whose_item_is_none_of_the_type() {
    let items: Vec<_> = turn::stream().collect().await;
    assert_eq!(items.len(), 2);
    assert_eq!(*items[0].as_ref().expect("it is a number"), 1);
    let error = items[1].as_ref().expect_err("it is a text");
    assert_eq!(error.kind(), CallErrorKind::Encoding);
    assert!(
        turn_is_closed::remote().await.expect("it answers"),
        "the generator still waits"
    );
}

#[app::test]
async fn an_interpreter_that_ends_is_noticed_while_a_child_of_it_lives() {
    let error = leave_a_child::remote()
        .timeout(Duration::from_secs(30))
        .await
        .expect_err("it leaves");
    assert_eq!(error.kind(), CallErrorKind::Died, "{error}");
    assert!(error.to_string().contains("exit code 4"), "{error}");
}
