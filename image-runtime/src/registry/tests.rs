//! What images are called, and what a program contradicts itself in.

use super::*;
use crate::spec::base::scratch;
use crate::spec::{ImageRef, ImageSpec};

const fn image_at(module: &'static str, line: u32) -> ImageSpec {
    ImageSpec {
        base: scratch().base(),
        steps: &[],
        place: Place {
            file: "src/main.rs",
            line,
            column: 1,
            module,
            manifest_dir: "/app",
        },
    }
}

static ML: ImageSpec = image_at("app", 1);
static OTHER_ML: ImageSpec = image_at("app::etl", 9);
static UNNAMED: ImageSpec = image_at("app", 4);

fn mention(spec: &'static ImageSpec, path: &'static str) -> ImageRef {
    ImageRef {
        image: Image::from_spec(spec),
        path,
        module: "app",
    }
}

#[test]
fn an_image_is_called_by_the_const_that_names_it_or_by_its_place() {
    let names = Names::of([mention(&ML, "ML"), mention(&ML, "images::ML")], []);
    assert_eq!(names.name(Image::from_spec(&ML)), "ML");
    assert_eq!(names.name(Image::from_spec(&UNNAMED)), "src/main.rs:4");
}

#[test]
fn two_images_of_one_name_are_called_by_their_module_too() {
    let names = Names::of([mention(&ML, "ML"), mention(&OTHER_ML, "etl::ML")], []);
    assert_eq!(names.name(Image::from_spec(&ML)), "app::ML");
    assert_eq!(names.name(Image::from_spec(&OTHER_ML)), "app::etl::ML");
}
