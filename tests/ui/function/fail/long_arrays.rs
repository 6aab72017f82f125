use std::collections::BTreeMap;

use image_runtime::app;

#[app::function]
fn owned(_numbers: [f64; 64], _few: [f64; 32]) {}

#[app::function]
fn lent(_numbers: &[u8; 33]) -> [[u16; 100]; 3] {
    [[0; 100]; 3]
}

#[app::function]
fn inside(_numbers: Option<Vec<(u8, [f32; 0x40])>>) -> anyhow::Result<BTreeMap<String, [std::string::String; 40]>> {
    Ok(BTreeMap::new())
}

#[app::function]
fn items() -> impl Iterator<Item = [u8; 64]> {
    std::iter::empty()
}

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn decorated(value: [u8; 64]);

struct Model;

#[app::cls]
impl Model {
    #[enter]
    fn new(_seed: [u8; 64]) -> Self {
        Self
    }

    #[method]
    fn apply(&self, _numbers: [f64; 48]) {}
}

fn main() {
    drop(owned::remote([0.0; 64], [0.0; 32]));
}
