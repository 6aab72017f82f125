//! `app::config!` with all that it takes.

use std::time::Duration;

use image_runtime::__private::{RegisteredApp, inventory};
use image_runtime::{Image, Volume, app, image};

const ML: Image = image!(scratch());

app::config! {
    name = "etl",
    image = ML,
    timeout = "1h",
    env = { "K": "V" },
    cpu = 2,
    memory = "512MiB",
    network = true,
    gpu = "T4",
    volumes = { "/data": Volume::from_name("etl") },
}

#[test]
fn the_settings_are_registered() {
    let apps: Vec<_> = inventory::iter::<RegisteredApp>
        .into_iter()
        .map(|app| app.0)
        .collect();
    let [app] = apps.as_slice() else {
        panic!("{apps:?}")
    };
    assert_eq!(app.name, Some("etl"));
    assert_eq!(app.image.unwrap().path, "ML");
    assert_eq!(app.options.timeout, Some(Duration::from_secs(3600)));
    assert_eq!(app.options.env, [("K", "V")]);
    assert_eq!(app.options.cpu, Some(2.0));
    assert_eq!(app.options.memory, Some(512 << 20));
    assert_eq!(app.options.network, Some(true));
    assert_eq!(app.options.gpu[0].text, "T4");
    assert_eq!(app.options.volumes, [("/data", Volume::from_name("etl"))]);
    assert!(app.place.file.ends_with("ui/config/pass.rs"));
}
