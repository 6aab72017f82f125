use image_runtime::{Image, app, image};

// The only mistake: what uses the image adds no errors.
const ML: Image = image!(debian_slim().apt_instal("git"));
const MORE: Image = image!(ML.workdir("/app"));

app::config! { image = MORE }

#[app::function(image = ML)]
fn train() {}

#[app::main]
async fn main() {
    let _ = ML.spec();
    let _ = train::remote().await;
}
