use image_runtime::app;

#[app::main]
async fn main() -> Result<(), String>;
