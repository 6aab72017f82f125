use image_runtime::{Image, app, image};

const ML: Image = image!(scratch());

#[app::function(imag = ML)]
fn near() {}

#[app::function(frobnicate = 3)]
fn far() {}

#[app::function(image = ML, image = ML)]
fn twice() {}

#[app::function(ML)]
fn without_a_name() {}

#[app::function(image = "ML", timeout = 5, env = ["A"], name = 1)]
fn types() {}

#[app::function(image = ML timeout = "5m")]
fn no_comma() {}

#[app::function(image = )]
fn no_value() {}

#[app::function(env = { "A-B": "1", "C": 2 }, name = "two words")]
fn texts() {}

#[app::function(name = "")]
fn no_name(number: u8) -> u8 {
    number
}

fn main() {
    // The verbs are there in spite of the keyword's fault: no second error.
    let _ = no_name::remote(3);
}
