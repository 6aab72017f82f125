//! What functions print.

use image_runtime::app;

use crate::{DEBIAN, NOTHING};

#[app::function(image = NOTHING)]
fn print_much(megabytes: usize) -> usize {
    let line = "x".repeat(1023);
    for _ in 0..megabytes * 1024 {
        println!("{line}");
    }
    megabytes
}

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
async fn a_function_may_print_a_hundred_megabytes() {
    assert_eq!(print_much::remote(100).await.unwrap(), 100);
}

#[app::test]
async fn children_of_a_function_print_too() {
    assert!(children_print::remote().await.unwrap());
}
