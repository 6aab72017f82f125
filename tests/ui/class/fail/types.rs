use std::rc::Rc;

use image_runtime::app;

struct Stays;

struct Model;

#[app::cls(image = MISSING)]
impl Model {
    #[enter]
    fn new(stays: Stays) -> Result<Self, Stays> {
        Ok(Self)
    }

    #[method]
    fn give(&self) -> Stays {
        Stays
    }

    #[method]
    fn take(&self, stays: Stays) {}
}

struct Alone(Rc<u8>);

#[app::cls]
impl Alone {
    #[enter]
    fn new() -> Self {
        Self(Rc::new(1))
    }

    #[method]
    fn get(&self) -> u8 {
        *self.0
    }
}

fn main() {}
