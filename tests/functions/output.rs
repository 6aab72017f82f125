//! What functions print.

use image_runtime::{Image, app, image};

use crate::DEBIAN;

const OF_NOBODY: Image = image!(DEBIAN.dockerfile_commands("USER nobody"));

#[app::function(image = DEBIAN)]
fn children_print() -> bool {
    a_child_prints()
}

#[app::function(image = OF_NOBODY)]
fn children_of_nobody_print() -> bool {
    a_child_prints()
}

fn a_child_prints() -> bool {
    std::process::Command::new("/bin/sh")
        .args([
            "-c",
            "echo from a child; echo to its stderr >&2; echo by path > /dev/stderr",
        ])
        .status()
        .is_ok_and(|status| status.success())
}

#[app::test]
async fn children_of_a_function_print_too() {
    assert!(children_print::remote().await.unwrap());
}

#[app::test]
async fn children_of_another_user_than_root_print_too() {
    match children_of_nobody_print::remote().await {
        Ok(printed) => assert!(printed),
        // An ordinary user may have no others, and is told so.
        Err(error) => assert!(error.to_string().contains("no user but root"), "{error}"),
    }
}
