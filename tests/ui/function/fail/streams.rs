use image_runtime::app;

struct Stays;

#[app::function]
fn items(count: u32) -> impl Iterator<Item = u32> {
    0..count
}

#[app::function]
fn of_what() -> impl Iterator {
    0..3
}

#[app::function]
fn of_what_stays() -> impl Iterator<Item = Stays> {
    std::iter::empty()
}

#[app::function]
fn borrowed(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
}

#[app::function(retries = 3)]
fn again() -> impl Iterator<Item = u32> {
    0..3
}

fn main() {
    let _ = items::remote(3);
}
