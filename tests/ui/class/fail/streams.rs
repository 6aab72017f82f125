use image_runtime::app;

struct Counter;

#[app::cls]
impl Counter {
    #[enter]
    fn new() -> Self {
        Self
    }

    #[method]
    fn count(&self, to: u32) -> impl Iterator<Item = u32> + use<> {
        0..to
    }
}

fn main() {
    let _ = Counter::handle().count.remote(3);
}
