//! Arrays of Python functions: as numbers or as bytes, as the type of the result says.

use image_runtime::{Image, app, image};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const NUMPY: Image = image!(debian_slim(python_version = "3.11").pip_install("numpy==2.2.6"));

#[app::python(image = NUMPY, file = "functions/scripts/arrays.py")]
fn reversed_array(data: ByteBuf) -> ByteBuf;

#[app::python(image = NUMPY, file = "functions/scripts/arrays.py")]
fn scaled(numbers: &[f64], factor: f64) -> Vec<f64>;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kinds {
    rows: Vec<[i64; 2]>,
    mask: (bool, bool),
    halves: Vec<f64>,
    largest: Vec<u64>,
    swapped: Vec<u16>,
    days: Vec<String>,
    mean: f32,
    scalar: u8,
    none: Vec<Vec<f64>>,
    plain: ByteBuf,
    bytes: Vec<u8>,
    pixels: ByteBuf,
}

#[app::python(image = NUMPY, file = "functions/scripts/arrays.py")]
fn of_all_kinds() -> Kinds;

#[app::python(image = NUMPY, file = "functions/scripts/arrays.py")]
fn batches(count: u32) -> impl Iterator<Item = Vec<f32>>;

mod as_bytes {
    use super::{ByteBuf, NUMPY, app};

    #[app::python(image = NUMPY, file = "functions/scripts/arrays.py", name = "batches_as_bytes")]
    pub(super) fn batches(count: u32) -> impl Iterator<Item = ByteBuf>;
}

fn bytes(numbers: impl IntoIterator<Item = f64>) -> Vec<u8> {
    numbers.into_iter().flat_map(f64::to_ne_bytes).collect()
}

#[app::test]
async fn an_array_comes_back_as_its_bytes_where_bytes_are_wanted() {
    let numbers = || (0..500_000_u32).map(f64::from);
    let back = reversed_array::remote(ByteBuf::from(bytes(numbers()))).await;
    assert!(back.unwrap() == bytes(numbers().rev()));
}

#[app::test]
async fn an_array_comes_back_as_numbers_where_numbers_are_wanted() {
    let numbers = [1.0, -2.5, f64::MIN_POSITIVE, f64::INFINITY];
    let scaled = scaled::remote(&numbers, 2.0).await.unwrap();
    assert_eq!(scaled, numbers.map(|number| number * 2.0));
}

#[app::test]
async fn arrays_of_all_kinds_come_back_beside_other_values() {
    let kinds = of_all_kinds::remote().await.unwrap();
    assert_eq!(
        kinds,
        Kinds {
            rows: vec![[0, 3], [1, 4], [2, 5]],
            mask: (true, false),
            halves: vec![1.5, f64::INFINITY],
            largest: vec![u64::MAX],
            swapped: vec![1, 258],
            days: vec!["2024-01-02".to_owned()],
            mean: 0.5,
            scalar: 7,
            none: vec![Vec::new(), Vec::new()],
            plain: bytes([0.25, f64::NAN]).into(),
            bytes: b"ab".to_vec(),
            pixels: ByteBuf::from([1, 2, 3, 4]),
        }
    );
}

#[app::test]
async fn items_are_arrays_too() {
    let all = batches::stream(3).try_collect().await.unwrap();
    assert_eq!(all, [[0.0; 3], [1.0; 3], [2.0; 3]]);
    let all = as_bytes::batches::stream(2).try_collect().await.unwrap();
    assert_eq!(all[1], 1_f32.to_ne_bytes().repeat(3));
}
