use image_runtime::app;

#[app::function]
fn generic<T>(_value: T) {}

#[app::function]
fn lifetime<'a>(_value: &'a str) {}

#[app::function]
fn clause(_value: u8) where u8: Copy {}

#[app::function]
const fn constant() {}

#[app::function]
unsafe fn without_safety() {}

#[app::function]
extern "C" fn foreign() {}

#[app::function]
fn no_body(_value: u8);

struct Owner;

impl Owner {
    #[app::function]
    fn method(&self) {}
}

fn main() {}
