use image_runtime::app;

app::config! { image = MISSING }

fn main() {}
