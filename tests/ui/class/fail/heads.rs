use image_runtime::app;

struct Model;

#[app::cls]
fn model() {}

#[app::cls]
struct Other;

#[app::cls]
impl<T> Vec2<T> {
    #[enter]
    fn new() -> Self {}

    #[method]
    fn get(&self) {}
}

struct Vec2<T>(T);

#[app::cls]
impl Clone for Model {
    fn clone(&self) -> Self {
        Self
    }
}

#[app::cls]
impl Model {}

#[app::cls(imag = ML)]
impl Model {
    #[enter]
    fn first() -> Self {
        Self
    }

    #[enter]
    fn second() -> Self {
        Self
    }

    #[method]
    #[exit]
    fn both(&self) {}

    #[method(timeout = "1s")]
    fn with_keywords(&self) {}

    fn handle() {}
}

fn main() {}
