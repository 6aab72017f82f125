use image_runtime::{Image, app, image};

trait Has {
    const IMAGE: Image;
}

struct Owner;

impl Has for Owner {
    const IMAGE: Image = image!(debian_slim());
}

impl Owner {
    const OWN: Image = image!(Self::IMAGE.apt_install("git"));
    const BY_TRAIT: Image = image!(<Self as Has>::IMAGE.apt_install("git"));
}

#[app::function(image = Self::IMAGE)]
fn of_self() {}

#[app::function(secrets = [<Self as Has>::SECRET])]
fn secret_of_self() {}

#[app::cls(image = Self::IMAGE)]
impl Owner {
    #[enter]
    fn new() -> Self {
        Self
    }

    #[method]
    fn get(&self) {}
}

const RUNS: Image = image!(debian_slim().run_function(<Owner as Has>::download));

fn main() {}
