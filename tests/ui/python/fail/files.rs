use image_runtime::app;

#[app::python(file = "nowhere.py")]
fn nowhere();

#[app::python(file = "../../../../tests/ui/python")]
fn directory();

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn trian(epochs: u32) -> f64;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn predict();

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn train(epoch: u32) -> f64;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn items(count: u32) -> impl Iterator<Item = u32>;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn needs(epochs: u32);

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn ordered(b: u32, a: u32);

mod moved {
    use super::app;

    #[app::python(file = "../../../../tests/ui/python/train.py")]
    fn ordered(b: u32, c: u32);
}

mod renamed {
    use super::app;

    #[app::python(file = "../../../../tests/ui/python/train.py")]
    fn ordered(x: u32, y: u32, c: u32, d: u32);
}

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn by_name(a: u32, b: u32);

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn slow(value: u32);

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn Model();

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn in_text();

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn str(value: u32);

fn main() {
    // The verbs are there all the same.
    let _ = trian::remote(3);
}
