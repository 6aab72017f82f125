use image_runtime::app;

struct Model;

#[app::cls]
impl Model {
    #[enter]
    fn new(&self) -> Self {
        Self
    }

    #[method]
    fn free(x: f32) -> f32 {
        x
    }

    #[method]
    fn away(self) {}

    #[method]
    fn generic<T>(&self, value: T) {}

    #[method]
    fn changes(&self, text: &mut String) {}

    #[exit]
    fn told(&mut self) -> u8 {
        0
    }
}

struct Sizes;

#[app::cls]
impl Sizes {
    #[enter]
    fn new(name: str) -> Self {
        Self
    }

    #[method]
    fn both(&self, first: [u8], second: str) {}

    #[method]
    fn made(&mut self) -> [u8] {
        [0][..]
    }

    #[method]
    fn lent(&self, text: &str, bytes: &[u8]) {}
}

struct Makes;

#[app::cls]
impl Makes {
    #[enter]
    fn new() -> Model {
        Model
    }

    #[method]
    fn get(&self) {}

    #[exit]
    fn bye(&mut self, why: String) {}
}

struct Taken;

#[app::cls]
impl Taken {
    #[enter]
    fn new() -> Self {
        Self
    }

    #[method]
    fn r#handle(&self) {}
}

struct Slips;

#[app::cls]
impl Slips {
    #[entr]
    fn new() -> Self {
        Self
    }

    #[metod]
    #[inline]
    fn get(&self) {}
}

struct Twice;

#[app::cls]
impl Twice {
    #[enter]
    fn new() -> Self {
        Self
    }

    #[method]
    fn get(&self) {}

    #[method]
    fn get(&self) {}
}

fn main() {}
