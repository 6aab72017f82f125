use image_runtime::app;

struct Refused;

type Fallible<T> = Result<T, Refused>;

#[app::function]
fn a_result() -> Fallible<u8> {
    Err(Refused)
}

fn main() {}
