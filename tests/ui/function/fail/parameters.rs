use image_runtime::app;

#[app::function]
fn a_pattern((_a, _b): (u8, u8)) {}

#[app::function]
fn no_name(_: u8) {}

#[app::function]
fn some_type(_value: impl ToString) {}

#[app::function]
fn an_object(_value: &dyn ToString) {}

#[app::function]
fn mutable(_values: &mut Vec<u8>) {}

#[app::function]
fn for_ever(_text: &'static str) {}

#[app::function]
fn inside(_text: Option<&str>, _texts: &[&str], _tuple: (u8, &str)) {}

#[app::function]
fn conditional(#[cfg(unix)] _value: u8) {}

#[app::function]
fn too_many(
    _a: u8, _b: u8, _c: u8, _d: u8, _e: u8, _f: u8, _g: u8, _h: u8, _i: u8, _j: u8, _k: u8, _l: u8, _m: u8, _n: u8, _o: u8, _p: u8, _q: u8,
) {
}

fn main() {}
