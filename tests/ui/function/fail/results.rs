use image_runtime::app;

#[app::function]
fn never() -> ! {
    std::process::exit(1)
}

#[app::function]
fn some_type() -> impl Fn() -> u8 {
    || 3
}

#[app::function]
fn borrowed(text: &str) -> &str {
    text
}

#[app::function]
fn borrowed_inside(text: &str) -> Result<std::borrow::Cow<'_, str>, String> {
    Ok(text.into())
}

#[app::function]
fn static_text() -> &'static str {
    "text"
}

#[app::function]
fn static_text_inside() -> Result<Vec<&'static str>, &'static str> {
    Ok(Vec::new())
}

fn main() {}
