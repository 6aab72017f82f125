//! What functions print.

use image_runtime::app;

use crate::DEBIAN;

#[app::function(image = DEBIAN)]
fn children_print() -> bool {
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
