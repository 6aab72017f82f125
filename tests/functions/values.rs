//! Arguments and results of many shapes.

use std::collections::BTreeMap;

use image_runtime::app;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::NOTHING;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Shape>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Shape {
    Number(i64),
    Text(String),
    List(Vec<Shape>),
}

#[app::function(image = NOTHING)]
fn back(point: Point) -> Point {
    point
}

#[app::function(image = NOTHING)]
fn lengths(text: &str, numbers: &[u16], point: &Point) -> (usize, usize, usize) {
    (text.len(), numbers.len(), point.rest.len())
}

#[app::function(image = NOTHING)]
async fn later(millis: u64) -> u64 {
    tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    millis
}

#[app::function(image = NOTHING)]
fn nothing() {}

#[app::function(image = NOTHING)]
fn half(number: i32) -> std::io::Result<i32> {
    if number % 2 == 0 {
        Ok(number / 2)
    } else {
        Err(std::io::Error::other("odd"))
    }
}

#[app::function(image = NOTHING)]
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| index as u8).collect()
}

#[app::function(image = NOTHING)]
fn count(bytes: Vec<u8>) -> usize {
    bytes.len()
}

#[app::function(image = NOTHING, name = "other-name")]
fn renamed() -> u128 {
    u128::MAX
}

#[app::test]
async fn blocking_calls_go_on_inside_an_async_function() {
    for _ in 0..300 {
        nothing::remote().blocking().unwrap();
    }
}

#[app::test]
async fn a_struct_with_every_serde_trick_comes_back_as_it_went() {
    let point = Point {
        x: 0.1,
        label: None,
        rest: BTreeMap::from([
            ("a".to_owned(), Shape::Number(-5)),
            (
                "b".to_owned(),
                Shape::List(vec![Shape::Text("ü".into()), Shape::Number(i64::MAX)]),
            ),
        ]),
    };
    assert_eq!(back::remote(point.clone()).await.unwrap(), point);
}

#[app::test]
async fn references_are_sent_by_value() {
    let point = Point {
        x: 1.0,
        label: Some("p".into()),
        rest: BTreeMap::new(),
    };
    assert_eq!(
        lengths::remote("four", &[1, 2, 3], &point).await.unwrap(),
        (4, 3, 0)
    );
}

#[app::test]
async fn an_async_function_has_a_runtime() {
    assert_eq!(later::remote(20).await.unwrap(), 20);
}

#[app::test]
fn a_call_can_be_made_without_a_runtime() {
    nothing::remote().blocking().unwrap();
    assert_eq!(half::remote(8).blocking().unwrap(), 4);
}

#[app::test]
async fn a_function_stays_an_ordinary_function() {
    assert_eq!(half(8).unwrap(), 4);
    assert_eq!(half::local(6).unwrap(), 3);
    assert_eq!(later::local(1).await, 1);
}

#[app::test]
async fn a_function_can_be_called_by_another_name() {
    assert_eq!(renamed::remote().await.unwrap(), u128::MAX);
}

#[app::test]
async fn a_hundred_megabytes_go_and_come() {
    let size = 100 << 20;
    assert_eq!(bytes::remote(size).await.unwrap().len(), size);
    assert_eq!(count::remote(vec![7; size]).await.unwrap(), size);
}

#[app::function(image = NOTHING)]
fn reversed(mut bytes: ByteBuf) -> ByteBuf {
    bytes.reverse();
    bytes
}

#[app::test]
async fn buffers_of_bytes_cross_as_they_are() {
    let mut bytes = ByteBuf::from(vec![0; 64 << 20]);
    bytes[..4].copy_from_slice(&[0, 200, 255, 1]);
    let back = reversed::remote(bytes.clone()).await.unwrap();
    bytes.reverse();
    assert!(back == bytes);
}

/// Twice what goes beside the other values, and a little less than that.
const SIZES: [usize; 4] = [0, 3, (256 << 10) - 1, 512 << 10];

#[app::function(image = NOTHING)]
fn joined(first: Vec<u8>, times: u8, second: &[u8], third: ByteBuf) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(times > 0, "none of {} bytes", first.len());
    let all = [&*first, second, &third].concat();
    Ok(all.repeat(times.into()))
}

#[app::function(image = NOTHING)]
async fn maybe(bytes: Vec<u8>) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then_some(bytes)
}

#[app::function(image = NOTHING)]
fn growing(first: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    (1..4).map(move |times| first.repeat(times))
}

#[app::function(image = NOTHING)]
async fn through(bytes: Vec<u8>) -> Result<Vec<u8>, image_runtime::CallError> {
    count::remote(bytes.clone()).await?;
    joined::remote(bytes, 1, b"!", ByteBuf::new()).await
}

#[app::test]
async fn bytes_of_any_size_stand_anywhere_among_arguments_and_results() {
    for first in SIZES {
        for second in SIZES {
            let (one, two, three) = (vec![201; first], vec![202; second], vec![203; first]);
            let all = [&*one, &two, &three].concat().repeat(2);
            let call = joined::remote(one, 2, &two, ByteBuf::from(three));
            assert!(call.await.unwrap() == all, "{first}, {second}");
        }
        let some = vec![9; first];
        let answer = maybe::remote(some.clone()).await.unwrap();
        assert!(answer == Some(some.clone()).filter(|bytes| !bytes.is_empty()));
        let items = growing::stream(some.clone()).try_collect().await.unwrap();
        assert!(items == [some.clone(), some.repeat(2), some.repeat(3)]);
        let called = through::remote(some.clone()).await.unwrap();
        assert!(called == [&*some, b"!"].concat());
        let handle = joined::spawn(some.clone(), 1, b"", ByteBuf::new());
        assert!(handle.get().await.unwrap() == some);
        // It can be had again.
        assert!(handle.get().await.unwrap() == some);
    }
    let error = joined::remote(vec![7; 1 << 20], 0, b"", ByteBuf::new()).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("none of 1048576 bytes")
    );
    let inputs = SIZES.map(|size| {
        (
            vec![1; size],
            1,
            vec![2; size],
            ByteBuf::from(vec![3; size]),
        )
    });
    let lengths = joined::starmap(inputs).try_collect().await.unwrap();
    let lengths: Vec<_> = lengths.iter().map(Vec::len).collect();
    assert_eq!(lengths, SIZES.map(|size| 3 * size));
    let counts = count::map(SIZES.map(|size| vec![0; size]))
        .try_collect()
        .await;
    assert_eq!(counts.unwrap(), SIZES);
}

#[app::test]
async fn calls_at_once_all_get_their_own_answer() {
    let calls: Vec<_> = (0..12)
        .map(|number| tokio::spawn(half::remote(number * 2)))
        .collect();
    for (number, call) in (0..12).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap(), number);
    }
}
