use image_runtime::app;

app::config! { nam = "etl" }
app::config! { secrets = 3 }
app::config! { "etl" }
app::config! { name = "two words", image = "ML", timeout = "soon", env = { "A B": "1" } }
app::config! { name = "a", name = "b" }

fn main() {}
