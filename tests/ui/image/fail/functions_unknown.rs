use image_runtime::{Image, app, image};

fn plain() {}

mod jobs {
    pub(crate) fn plain() {}

    #[super::app::function]
    fn private() {}
}

struct Type;

#[app::function]
fn annotated() {}

const PLAIN: Image = image!(debian_slim().run_function(plain).run_function(annotated));
const ELSEWHERE: Image = image!(debian_slim().run_function(jobs::plain));
const A_TYPE: Image = image!(debian_slim().run_function(Type));
const A_MODULE: Image = image!(debian_slim().run_function(jobs));
const GENERIC: Image = image!(debian_slim().run_function(annotated::<u8>));
const MISSING: Image = image!(debian_slim().run_function(missing));
const MISSING_THERE: Image = image!(debian_slim().run_function(jobs::missing));
const PRIVATE: Image = image!(debian_slim().run_function(jobs::private));

fn main() {
    #[app::function]
    fn inside() {}
    fn plain_inside() {}

    const INSIDE: Image = image!(debian_slim().run_function(inside));
    const PLAIN_INSIDE: Image = image!(debian_slim().run_function(plain_inside));
}
