use image_runtime::app;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn train(epochs: u32) -> u32 {
    epochs
}

#[app::python(file = "../../../../tests/ui/python/train.py")]
struct Model;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn items<T>() -> T;

#[app::python]
fn without_a_file();

#[app::python(fil = "train.py")]
fn misspelt();

#[app::python(file = 3)]
fn a_number();

struct Stays;

#[app::python(file = "../../../../tests/ui/python/train.py")]
fn items_later(count: Stays) -> Stays;

fn main() {}
