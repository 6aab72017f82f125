//! `#[app::python]` on heads of all kinds; what runs needs an image with Python and is tested elsewhere.

use futures_util::Stream;
use image_runtime::__private::{Invoke, RegisteredFunction, inventory};
use image_runtime::{Call, Image, Items, Map, app, image};

const ML: Image = image!(scratch());

/// Trains.
#[app::python(image = ML, file = "ui/python/train.py", timeout = "1m", retries = 2)]
pub(crate) fn train(epochs: u32, _name: &str) -> anyhow::Result<f64>;

#[app::python(file = "./ui/python/train.py", name = "python-anything")]
#[must_use]
async fn anything(in_: Vec<u8>, more: Option<u8>);

#[app::python(file = "ui/python/train.py")]
fn items() -> Result<impl Iterator<Item = u32>, String>;

#[app::python(file = "ui/python/train.py")]
fn items_later(count: u32) -> impl Stream<Item = u32>;

#[app::python(file = "ui/python/train.py")]
fn ordered(a: u32, b: u32, c: u32);

/// What a decorator makes of the parameters is not known here.
#[app::python(file = "ui/python/train.py")]
fn decorated(value: u32);

#[app::python(file = "ui/python/missing.py")]
#[cfg(false)]
fn not_there() -> Missing;

#[test]
fn the_text_of_the_file_travels_with_the_program() {
    let function = inventory::iter::<RegisteredFunction>
        .into_iter()
        .find(|function| function.0.name == "python-anything")
        .expect("it has registered");
    let Invoke::Python(python) = function.0.invoke else {
        panic!("it is Python");
    };
    assert_eq!(
        (python.function, python.file),
        ("anything", "./ui/python/train.py")
    );
    assert_eq!(python.text, include_str!("train.py"));
}

#[test]
fn the_verbs_have_the_types_of_the_head() {
    let call: Call<f64> = train::remote(1, "x");
    drop(call);
    let map: Map<'_, f64> = train::map([(1, "x")]);
    drop(map);
    let items: Items<u32> = items::stream();
    drop(items);
    drop(items_later::stream(1));
    drop(ordered::remote(1, 2, 3));
    drop(decorated::remote(1));
}
